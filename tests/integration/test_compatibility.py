"""What an earlier version left behind goes on working: its galleries open, its clients are answered as they were.

The fixture's README says how it was made. No module of Convoy is imported here but the generated protos.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.compatibility import store
from tests.compatibility.calls import Transcript, make
from tests.compatibility.differences import Comparison, FaceIds
from tests.compatibility.fixture import (
    BOUND,
    V0_1_0,
    link_published,
    published_settings,
    recognition_settings,
    vision_settings,
)
from tests.compatibility.processes import serving
from tests.compatibility.protos import Protos
from tests.compatibility.replay import replay
from tests.compatibility.tree import Tree

PROTOS = Protos(V0_1_0 / "protos.binpb")
EXPORT = "/convoy.v1.RecognitionService/ExportGallery"
DELETE = "/convoy.v1.RecognitionService/DeleteGallery"
CREATE = "/convoy.v1.RecognitionService/CreateGallery"
EXPORT_CREW = PROTOS.request(EXPORT)(gallery="crew").SerializeToString()
RATE_OF_FACES = {"CONVOY_RATE_UNIT": "face"}
"""0.1.0 knew no other. By default a rate is one of pictures now, and thresholds are higher if several faces are
searched; docs/upgrade.md names this setting as the way back, and this proves it."""
Addresses = dict[str, str]
Redis = Callable[[], AbstractContextManager[Any]]


def recorded(name: str) -> Transcript:
    return Transcript.load(V0_1_0 / f"{name}.jsonl")


@pytest.fixture(scope="module")
def tree(root: Path) -> Tree:
    return Tree(root)


@pytest.fixture(scope="module")
def vision(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    with serving(tree, tmp_path_factory.mktemp("logs"), vision_settings(V0_1_0 / "models")) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def published(tree: Tree, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    folder = tmp_path_factory.mktemp("logs")
    with serving(tree, folder, published_settings(link_published(root, folder))) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def empty(tree: Tree, vision: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Recognition on a store of its own, that each test leaves without the galleries of the others."""
    with store.running() as server:
        settings = recognition_settings(vision["faces"], server.url) | RATE_OF_FACES
        with serving(tree, tmp_path_factory.mktemp("logs"), {"recognition": settings}) as addresses:
            yield addresses


def test_every_method_of_the_earlier_version_is_replayed() -> None:
    calls = [call for name in ("vision", "recognition") for call in recorded(name).calls]
    assert {call.method for call in calls if call.code == "OK"} == set(PROTOS.methods())


def test_vision_answers_an_earlier_client_as_it_was_answered_then(vision: Addresses) -> None:
    assert list(replay(recorded("vision"), PROTOS, vision)) == []


@pytest.mark.redis
def test_recognition_answers_an_earlier_client_as_it_was_answered_then(empty: Addresses) -> None:
    assert list(replay(recorded("recognition"), PROTOS, empty)) == []


@pytest.mark.parametrize(
    "redis_server",
    [
        pytest.param(store.running, marks=pytest.mark.redis, id="redis"),
        pytest.param(store.running_8, marks=pytest.mark.docker, id="redis-8"),
    ],
)
def test_galleries_of_an_earlier_version_open_and_change(
    tree: Tree, vision: Addresses, redis_server: Redis, tmp_path: Path
) -> None:
    with redis_server() as server:
        with server.client() as client:
            store.load(client, V0_1_0 / "redis.jsonl")
        settings = recognition_settings(vision["faces"], server.url, V0_1_0 / "template.key") | RATE_OF_FACES
        with serving(tree, tmp_path, {"recognition": settings}) as addresses:
            assert list(replay(recorded("galleries"), PROTOS, addresses)) == []


@pytest.mark.redis
def test_a_gallery_file_of_an_earlier_version_is_taken_in(tree: Tree, empty: Addresses, tmp_path: Path) -> None:
    words = ("gallery", "import", str(V0_1_0 / "crew.gallery"), "--key-file", str(V0_1_0 / "template.key"))
    environment = tree.environment({"CONVOY_RECOGNITION_ADDRESS": empty["recognition"]})
    subprocess.run(tree.convoy(*words), env=environment, cwd=tmp_path, check=True)
    with grpc.insecure_channel(empty["recognition"]) as channel:
        now = make(channel, "recognition", EXPORT, [EXPORT_CREW])
        make(channel, "recognition", DELETE, [EXPORT_CREW])
    [then] = [call for call in recorded("galleries").calls if EXPORT_CREW in call.requests and call.method == EXPORT]
    kind = PROTOS.answer(EXPORT)
    before, after = (kind.FromString(each.answers[0]) for each in (then, now))
    comparison = Comparison(FaceIds(), began_ms=(recorded("galleries").began_ms, 0), aside=("gallery",))
    assert len(before.people) == 4
    assert list(comparison.differences(before, after)) == []


def test_published_models_think_what_they_thought(published: Addresses) -> None:
    assert list(replay(recorded("published"), PROTOS, published)) == []


@pytest.mark.redis
def test_a_gallery_of_the_embedder_that_was_the_default_is_answered_by_it(
    tree: Tree, root: Path, tmp_path: Path
) -> None:
    models = link_published(root, tmp_path)
    (models / "face-embedder").symlink_to(root / "exported_models" / "face-embedder")
    own = {"CONVOY_MODELS": str(models), "CONVOY_FACE_DETECTOR": "face-detector-nano:1"}
    with store.running() as server, serving(tree, tmp_path, {"faces": own}) as faces:
        with server.client() as client:
            store.load(client, BOUND / "redis.jsonl")
        settings = {"recognition": recognition_settings(faces["faces"], server.url)}
        with serving(tree, tmp_path, settings) as addresses:
            assert list(replay(Transcript.load(BOUND / "galleries.jsonl"), PROTOS, addresses)) == []
            with grpc.insecure_channel(addresses["recognition"]) as channel:
                made = make(
                    channel, "recognition", CREATE, [PROTOS.request(CREATE)(gallery="next").SerializeToString()]
                )
            assert PROTOS.answer(CREATE).FromString(made.answers[0]).gallery.model.name == "face-embedder"
