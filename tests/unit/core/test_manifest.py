"""The model contract: what is right loads, what is wrong says so in one sentence."""

import json
from pathlib import Path

import pytest
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Calibration, Manifest, Task, load_manifest

from tests.tiny_models import write_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path, "tiny", Task.CLASSIFICATION)


def problem(folder: Path) -> str:
    with pytest.raises(FailedPrecondition) as caught:
        load_manifest(folder)
    assert caught.value.reason == "BAD_MODEL"
    assert "\n" not in caught.value.message
    return caught.value.message


def change(folder: Path, **fields: object) -> None:
    manifest = json.loads((folder / MANIFEST_FILE).read_text()) | fields
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))


def test_what_is_saved_loads(folder: Path) -> None:
    manifest = load_manifest(folder)
    manifest.save(folder)
    assert load_manifest(folder) == manifest


def test_a_changed_graph_is_noticed_first(folder: Path) -> None:
    with (folder / GRAPH_FILE).open("ab") as file:
        file.write(b"x")
    assert "SHA-256" in problem(folder)


def test_a_missing_graph_is_named(folder: Path) -> None:
    (folder / GRAPH_FILE).unlink()
    assert "model.onnx is missing" in problem(folder)


def test_a_missing_or_broken_manifest_is_named(folder: Path) -> None:
    (folder / MANIFEST_FILE).write_text("{")
    assert "is not JSON" in problem(folder)
    (folder / MANIFEST_FILE).unlink()
    assert "cannot be read" in problem(folder)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"labels": []}, "labels"),
        ({"labels": ["cat", "cat"]}, "unique"),
        ({"task": "telepathy"}, "task"),
        ({"version": "latest"}, "version"),
        ({"thresholds": {"detection": 1.5}}, "thresholds.detection"),
        ({"lables": []}, "lables"),
        ({"name": "other"}, "names other/1"),
    ],
)
def test_a_wrong_field_is_named(folder: Path, fields: dict[str, object], words: str) -> None:
    change(folder, **fields)
    assert words in problem(folder)


def test_a_calibration_must_be_monotonic() -> None:
    good = {"dataset": "d", "split": "s", "impostor_pairs": 10, "command": "c"}
    Calibration(**good, similarity=[0.1, 0.2], false_match_rate=[0.5, 0.1])
    for similarity, rate in (([0.2, 0.1], [0.5, 0.1]), ([0.1, 0.2], [0.1, 0.5]), ([0.1, 0.2], [0.1, 0.0])):
        with pytest.raises(ValueError, match="calibration"):
            Calibration(**good, similarity=similarity, false_match_rate=rate)


def test_the_schema_is_published(root: Path) -> None:
    published = json.loads((root / "docs" / "manifest.schema.json").read_text())
    assert published == Manifest.model_json_schema()
