"""Collections of things: recognition keeps and finds what an embedder of classification makes of whole pictures."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from convoy.cli.app import app
from convoy.client import Convoy
from convoy.client.answers.common import Model as AnswerModel
from convoy.core.errors import FailedPrecondition, NotFound, Unavailable
from convoy.core.settings import Settings
from convoy.recognition.domain.pictures import AS_USUAL, Picture
from convoy.recognition.domain.records import THINGS, Gallery, Model
from convoy.recognition.things_client import ThingsClient
from convoy.testing.fleet import RunningFleet, fleet
from convoy.testing.pictures import encode, portrait
from convoy.testing.tiny_models import write_repository
from convoy.v1 import classification_pb2 as pb
from convoy.v1.classification_pb2_grpc import ClassificationServiceStub
from typer.testing import CliRunner

from tests.serving import refusal, running

COLOURS = [(220, 180, 200), (180, 220, 200), (200, 180, 220)]


@pytest.fixture(scope="module")
def served() -> Iterator[RunningFleet]:
    """A whole fleet in this process."""
    with fleet() as running_fleet:
        yield running_fleet


@pytest.fixture
def convoy(served: RunningFleet) -> Convoy:
    return served.convoy.within(300.0)


def thing(quarter: int, colour: int = 0) -> np.ndarray:
    """Bright in one quarter: two of one quarter resemble each other (0.97), two of different quarters do not (-1/3)."""
    picture = np.full((64, 64, 3), 40, np.uint8)
    top, left = 32 * (quarter // 2), 32 * (quarter % 2)
    picture[top : top + 32, left : left + 32] = COLOURS[colour]
    return picture


def test_things_are_registered_found_and_told_from_others(convoy: Convoy) -> None:
    gallery = convoy.create_gallery("parts", model=AnswerModel("things", ""))
    assert gallery.model.name == "things" and gallery.model_sha256
    convoy.register("parts", "nut", [thing(0), thing(0, 1)], display_name="Nut")
    convoy.register("parts", "bolt", [thing(1)])
    found = convoy.identify("parts", thing(0, 2), top_k=2)
    [face] = found.faces
    assert face.person is not None and face.person.person_id == "nut"
    assert (face.face.box.x_max, face.face.box.y_max) == (64, 64)
    assert convoy.identify("parts", thing(2)).faces[0].person is None
    assert convoy.verify(thing(1, 1), gallery="parts", person_id="bolt").is_match
    assert not convoy.verify(thing(3), gallery="parts", person_id="bolt").is_match
    assert len(convoy.get_person("parts", "nut").faces) == 2
    convoy.delete_person("parts", "nut")
    assert convoy.identify("parts", thing(0, 2)).faces[0].person is None
    # Galleries of people beside it go on asking the face service.
    convoy.create_gallery("people-beside-parts")
    convoy.register("people-beside-parts", "ada", [portrait(1)])
    with pytest.raises(NotFound):
        convoy.create_gallery("others", model=AnswerModel("no-such-embedder", ""))
    with pytest.raises(FailedPrecondition):
        convoy.create_gallery("others", model=AnswerModel("cifar10-resnet", ""))
    for name in ("parts", "people-beside-parts"):
        convoy.delete_gallery(name)


def test_client_and_commands(convoy: Convoy, served: RunningFleet, tmp_path: Path) -> None:
    one, other = convoy.embed_images([thing(0), thing(0, 1)], model="things")
    assert one.values.shape == (12,) and np.linalg.norm(one.values) == pytest.approx(1, abs=1e-3)
    assert float(one.values @ other.values) == pytest.approx(0.973, abs=2e-3)
    files = []
    for quarter in (0, 1):
        files.append(tmp_path / f"{quarter}.png")
        files[-1].write_bytes(encode(thing(quarter)))
    env = {f"CONVOY_{name.upper()}_ADDRESS": address for name, address in served.addresses.items()}
    env["CONVOY_TIMEOUT_S"] = "300"

    def run(*words: object) -> str:
        done = CliRunner().invoke(app, list(map(str, words)), env=env)
        assert done.exit_code == 0, done.output
        return done.stdout

    run("gallery", "create", "shelf", "--model", "things")
    run("register", "nut", files[0], "--gallery", "shelf")
    [answer] = json.loads(run("identify", files[0], "--gallery", "shelf", "--json"))
    assert answer["answer"]["faces"][0]["matches"][0]["person_id"] == "nut"
    [embedded] = json.loads(run("embed", files[1], "--model", "things", "--json"))
    assert len(embedded["answer"]["values"]) == 12
    run("gallery", "delete", "shelf", "--yes")


async def test_an_embedder_is_named_with_its_digest_and_calibration(tmp_path: Path) -> None:
    async with running("classification", write_repository(tmp_path)) as service:
        stub = ClassificationServiceStub(service.channel)
        told = await stub.GetEmbedder(pb.GetEmbedderRequest(model={"name": "things"}))
        assert told.embedding_size == 12 and told.calibration.impostor_pairs == 1_000_000
        assert told.default_match_threshold == pytest.approx(0.9)
        named = pb.GetEmbedderRequest(model={"name": "things"}, model_sha256=told.model_sha256)
        assert (await stub.GetEmbedder(named)).model.version == "1"
        named.model_sha256 = "ab" * 32
        assert (await refusal(stub.GetEmbedder, named)).code == grpc.StatusCode.NOT_FOUND
        for call, request in (
            (stub.GetEmbedder, pb.GetEmbedderRequest()),
            (stub.EmbedImages, pb.EmbedImagesRequest(images=[{"encoded": encode(thing(0))}])),
        ):
            assert (await refusal(call, request)).reason == "WRONG_TASK"
        empty = pb.EmbedImagesRequest(model={"name": "things"})
        assert (await refusal(stub.EmbedImages, empty)).reason == "BAD_ARGUMENT"

        client = ThingsClient(Settings(classification_address=f"127.0.0.1:{service.server.port}", timeout_s=20))
        bound = Gallery("parts", Model("things", "1", told.model_sha256, 12, THINGS))
        model, [seen] = await client.embed([Picture(encoded=encode(thing(0)))], AS_USUAL, bound)
        assert model.model == bound.model and seen.found == 1
        with pytest.raises(NotFound):
            await client.model_of(Gallery("parts", Model("things", "1", "ab" * 32, 12, THINGS)))
        await client.close()
    away = ThingsClient(Settings(classification_address="127.0.0.1:1", timeout_s=2))
    with pytest.raises(Unavailable, match="classification service is away") as refused:
        await away.model_of(bound)
    assert refused.value.reason == "CLASSIFICATION_UNAVAILABLE"
    await away.close()


def test_a_gallery_of_faces_is_written_as_before() -> None:
    """So that version 0.1.0 can read it; one of things keeps its task."""
    faces = Gallery("g", Model("face-embedder", "1", "ab" * 32, 192))
    assert "task" not in json.loads(faces.to_json())["model"]
    things = Gallery("g", Model("things", "1", "ab" * 32, 12, THINGS))
    assert Gallery.from_json("g", things.to_json()).model.task == THINGS
