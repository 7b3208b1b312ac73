"""Classifiers of faces beside the face models: liveness and attributes, in every answer that shows faces.

The network is a tiny one that says which colour a face has: green stands for a living person, red for a print, blue for
a replay. It proves the way of an answer, not that attacks are recognised.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from convoy.client import Convoy
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import MANIFEST_FILE, Task
from convoy.testing import pictures
from convoy.testing.fleet import fleet
from convoy.testing.tiny_models import write_model, write_repository

from tests.serving import running

LABELS = ["print", "live", "replay"]
TINTS = {"print": 0, "live": 1, "replay": 2}


def write_network(root: Path, name: str, labels: list[str], face_crop: float | None) -> None:
    folder = write_model(root, name, Task.CLASSIFICATION)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    manifest["labels"] = labels
    manifest["input"]["face_crop"] = face_crop
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_repository(tmp_path_factory.mktemp("models"))
    # Less than the box, whose frame has a colour of its own.
    write_network(root, "spoof-net", LABELS, 0.7)
    write_network(root, "mask-net", ["red", "green", "blue"], 0.6)
    write_network(root, "whole-pictures", LABELS, None)
    return root


def present(kind: str, person: int = 1) -> np.ndarray:
    """A person's face, tinted as the network expects such a presentation."""
    picture = pictures.portrait(person)
    inner = picture[40:-40, 40:-40]
    others = [channel for channel in range(3) if channel != TINTS[kind]]
    inner[..., others] = (inner[..., others] * 0.6).astype(np.uint8)
    return picture


def test_faces_carry_liveness_and_attributes(models: Path) -> None:
    with fleet(models, face_liveness="spoof-net", face_attributes="mask-net, spoof-net:1") as one:
        convoy = one.convoy
        (live,) = convoy.detect_faces(present("live"))
        (replay,) = convoy.embed_faces(present("replay"))
        assert live.liveness is not None and live.liveness > 0.9
        assert replay.liveness is not None and replay.liveness < 0.1
        assert [(a.model.name, a.label) for a in replay.attributes] == [("mask-net", "blue"), ("spoof-net", "replay")]
        assert all(0.5 < attribute.score <= 1 for attribute in replay.attributes)
        assert replay.describe().startswith("liveness 0.0") and "blue" in replay.describe()
        model = convoy.get_face_model()
        assert [named.name for named in model.liveness] == ["spoof-net"]
        assert [named.name for named in model.attributes] == ["mask-net", "spoof-net"]


def test_registering_and_searching_can_demand_a_living_person(models: Path) -> None:
    with fleet(models, face_liveness="spoof-net") as one:
        convoy = one.convoy
        convoy.create_gallery("door")
        with pytest.raises(FailedPrecondition) as refused:
            convoy.register("door", "ada", [present("print")], min_liveness=0.5)
        assert refused.value.reason == "SPOOF_SUSPECTED"
        convoy.register("door", "ada", [present("live")], min_liveness=0.5)
        assert _identify(convoy, "live") == ("MATCH", "")
        assert _identify(convoy, "print") == ("NO_MATCH", "SPOOF_SUSPECTED")
        with pytest.raises(FailedPrecondition) as refused:
            convoy.verify(present("replay"), gallery="door", person_id="ada", min_liveness=0.5)
        assert refused.value.reason == "SPOOF_SUSPECTED"
        assert convoy.verify(present("live"), gallery="door", person_id="ada", min_liveness=0.5).is_match


def _identify(convoy: Convoy, kind: str) -> tuple[str, str]:
    (face,) = convoy.identify("door", present(kind), min_liveness=0.5)
    return face.decision.value, face.no_match_reason


def test_without_a_network_nothing_is_said_and_a_demand_is_refused(models: Path) -> None:
    with fleet(models) as one:
        (face,) = one.convoy.detect_faces(present("print"))
        assert (face.liveness, face.attributes, face.describe()) == (None, (), "")
        one.convoy.create_gallery("door")
        with pytest.raises(FailedPrecondition, match="CONVOY_FACE_LIVENESS") as refused:
            one.convoy.register("door", "ada", [present("live")], min_liveness=0.5)
        assert refused.value.reason == "LIVENESS_NOT_CONFIGURED"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"face_liveness": "spoof-net", "face_liveness_label": "real"}, "CONVOY_FACE_LIVENESS_LABEL"),
        ({"face_liveness": "whole-pictures"}, "--face-crop"),
        ({"face_attributes": "mask-net, face-detector-nano"}, "face_detection, not classification"),
    ],
)
async def test_a_service_whose_setting_does_not_fit_does_not_start(
    models: Path, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(FailedPrecondition, match=said):
        async with running("faces", models, **settings):
            pass
