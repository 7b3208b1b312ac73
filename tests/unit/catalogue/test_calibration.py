"""A pulled embedder brings the calibration of its entry, or says that it has none."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from convoy.catalogue import catalogue as catalogues
from convoy.catalogue.catalogue import Catalogue
from convoy.catalogue.entry import Entry
from convoy.cli.app import app
from convoy.core.manifest import load_manifest
from pydantic import ValidationError
from typer.testing import CliRunner

from tests import foreign_models
from tests.unit.catalogue.conftest import MakeEntry

CALIBRATION = {
    "dataset": "LFW",
    "split": "validation",
    "impostor_pairs": 20_000,
    "similarity": [0.2, 0.4],
    "false_match_rate": [0.1, 0.01],
    "command": "convoy-train calibrate",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return foreign_models.embedder().save(tmp_path / "net.onnx")


@pytest.fixture
def embedder(file: Path, make_entry: MakeEntry, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(**facts: Any) -> Entry:
        content = file.read_bytes()
        told = {"name": "net.onnx", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        entry = make_entry(file=told, task="face_embedding", labels=None, **facts)
        entry = entry.model_copy(update={"options": {"adapter": "arcface", "preprocess": "arcface"}})
        monkeypatch.setattr(catalogues, "bundled_catalogue", lambda: Catalogue({entry.name: entry}, {}))
        return entry

    return make


@pytest.mark.parametrize("calibration", [None, CALIBRATION])
def test_a_pull_writes_it_or_says_that_there_is_none(
    calibration: dict[str, Any] | None, embedder: Any, file: Path, tmp_path: Path
) -> None:
    entry = embedder(calibration=calibration)
    told = ["--models", str(tmp_path / "models")]
    pulled = CliRunner().invoke(app, ["model", "pull", "pets", "--from", str(file), *told])
    assert pulled.exit_code == 0, pulled.stderr
    manifest = load_manifest(tmp_path / "models" / "pets" / "1")
    table = CliRunner().invoke(app, ["model", "catalogue", *told], env={"COLUMNS": "300"}).output
    assert manifest.calibration == entry.calibration
    for output, words in ((pulled.output, "nobody has measured a calibration"), (table, "no calibration")):
        assert (words in output) is (calibration is None)
    if manifest.calibration is not None:
        assert manifest.calibration.false_match_rate == [0.1, 0.01]


def test_only_an_embedder_has_one(make_entry: MakeEntry) -> None:
    with pytest.raises(ValidationError, match="calibration: a model for classification must not have one"):
        make_entry(calibration=CALIBRATION)
