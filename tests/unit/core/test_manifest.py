"""The model contract: what is right loads, what is wrong says so in one sentence."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from convoy.cli.app import app
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import (
    GRAPH_FILE,
    MANIFEST_FILE,
    Calibration,
    Manifest,
    Task,
    digest,
    digest_files,
    load_manifest,
    outside_files,
)
from convoy.testing.tiny_models import write_model
from typer.testing import CliRunner


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


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A model whose weights lie beside its graph."""
    folder = write_model(tmp_path, "outside", Task.CLASSIFICATION)
    model = onnx.load(folder / GRAPH_FILE)
    unused = onnx.numpy_helper.from_array(np.arange(8, dtype=np.float32), "unused")
    model.graph.initializer.append(unused)
    (folder / GRAPH_FILE).unlink()
    onnx.save(model, folder / GRAPH_FILE, save_as_external_data=True, location="weights.bin", size_threshold=0)
    change(folder, sha256=digest(folder / GRAPH_FILE), files=digest_files(folder))
    return folder


def test_weights_outside_of_the_graph_are_in_the_digest(outside: Path) -> None:
    assert list(load_manifest(outside).files) == ["weights.bin"]
    (outside / "weights.bin").write_bytes(bytes(32))
    assert "weights.bin has SHA-256" in problem(outside)
    (outside / "weights.bin").unlink()
    assert "weights.bin is missing" in problem(outside)


def test_an_older_manifest_keeps_working(outside: Path) -> None:
    """Its weights are in no digest; `convoy model verify` says so."""
    manifest = json.loads((outside / MANIFEST_FILE).read_text())
    del manifest["files"]
    (outside / MANIFEST_FILE).write_text(json.dumps(manifest))
    assert load_manifest(outside).files == {}
    assert outside_files(outside / GRAPH_FILE) == ["weights.bin"]


def test_verify_looks_at_every_file(outside: Path) -> None:
    verify = ["model", "verify", str(outside)]
    assert CliRunner().invoke(app, verify).exit_code == 0
    listed = load_manifest(outside).files
    change(outside, files={})
    assert "no digest of weights.bin" in " ".join(CliRunner().invoke(app, verify).output.split())
    change(outside, files=listed)
    (outside / "weights.bin").write_bytes(bytes(32))
    result = CliRunner().invoke(app, [*verify, "--json"])
    assert result.exit_code == 1
    assert "weights.bin has SHA-256" in json.loads(result.output)[0]["problem"]


@pytest.mark.parametrize("name", ["../weights.bin", "/etc/passwd", "a/b", ".hidden", ""])
def test_no_file_leads_out_of_the_folder(name: str, folder: Path) -> None:
    change(folder, files={name: "0" * 64})
    assert "files" in problem(folder)


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


def a_picture(**changed: object) -> dict[str, object]:
    """The fields of a picture_to_picture manifest."""
    fields: dict[str, object] = {
        "name": "net",
        "version": "1",
        "task": "picture_to_picture",
        "architecture": "none",
        "sha256": "0" * 64,
        "input": {"resize": "tiles", "long_side": 64, "stride": 2},
        "picture": {"overlap": 4},
        "licence": "none",
        "training": {"recipe": "none", "command": "none", "data": [], "data_terms": "none"},
        "export": {"opset": 20},
    }
    return fields | changed


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"picture": None}, "needed for picture_to_picture"),
        ({"task": "classification", "labels": ["a"]}, "for no other task"),
        ({"input": {"resize": "letterbox", "long_side": 64}}, "tiles is for picture_to_picture"),
        ({"input": {"resize": "tiles", "height": 8, "width": 8}}, "needs a dynamic size"),
        ({"picture": {"overlap": 3}}, "multiple of the stride"),
        ({"picture": {"overlap": 32}}, "no room between the overlaps"),
        ({"picture": {"inputs": ["mask", "mask"]}}, "must be unique"),
        ({"picture": {"inputs": ["noise_level"]}}, "noise_level and max_noise_level"),
        ({"picture": {"noise_level": 5, "max_noise_level": 9}}, "noise_level and max_noise_level"),
        ({"picture": {"inputs": ["noise_level"], "noise_level": 10, "max_noise_level": 9}}, "above max_noise_level"),
        ({"labels": [str(number) for number in range(17)]}, "at most 16 styles"),
    ],
)
def test_a_picture_s_facts_must_fit_each_other(changed: dict[str, object], words: str) -> None:
    assert Manifest.model_validate(a_picture(labels=["a", "b"], picture={"inputs": ["mask"]})).channels == 6
    with pytest.raises(ValueError, match=words):
        Manifest.model_validate(a_picture(**changed))


def test_other_tasks_manifests_say_nothing_of_pictures() -> None:
    """Version 0.1.0 refuses keys that it does not know."""
    plain = a_picture(task="classification", labels=["a"], input={"resize": "stretch", "height": 8, "width": 8})
    del plain["picture"]
    assert "picture" not in json.loads(Manifest.model_validate(plain).model_dump_json())
    assert "picture" in Manifest.model_validate(a_picture()).model_dump()
