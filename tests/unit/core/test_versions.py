"""`convoy` names its version, finds packaged models, and tells of a second distribution that owns the same files."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from convoy.core import versions
from convoy.core.settings import Settings


def install(site: Path, name: str, number: str) -> None:
    """What pip leaves of a distribution that owns the package `convoy`."""
    folder = site / f"{name}-{number}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    (folder / "top_level.txt").write_text("convoy\n")


def test_the_version_is_that_of_the_distribution() -> None:
    assert versions.convoy_version() == version("convoy-vision")


def test_a_distribution_that_owns_the_same_files_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions.shadowing_distribution() is None
    install(tmp_path, "convoy", "0.4.4")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    said = versions.shadowing_distribution()
    assert said is not None and said.startswith("the distribution convoy 0.4.4 is installed beside convoy-vision")
    assert "pip uninstall convoy" in said


def test_packaged_models_are_the_last_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "convoy_models" / "pets" / "1").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert Settings().repositories[-1] == tmp_path / "convoy_models"
    monkeypatch.setenv("CONVOY_MODELS", "mine")
    assert Settings().repositories == (Path("mine"),)
