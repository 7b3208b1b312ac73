"""What a look at a repository finds, and which folders it lists for that."""

import os
import shutil
from pathlib import Path

import pytest
from convoy.core.manifest import Task
from convoy.core.models import version_folders
from convoy.core.models.version_folders import LIST_EVERY, VersionFolders
from convoy.testing.tiny_models import write_model

MODELS = 24


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders that have not changed for a while."""
    monkeypatch.setattr(version_folders, "_SETTLED_AFTER_NS", -1)
    for number in range(MODELS):
        write_model(tmp_path / "models", f"m{number}", Task.CLASSIFICATION)
    return tmp_path / "models"


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every folder that was listed, in order."""
    seen: list[str] = []
    scandir = os.scandir

    def counted(path: str) -> object:
        seen.append(str(path))
        return scandir(path)

    monkeypatch.setattr(version_folders.os, "scandir", counted)
    return seen


def test_an_unchanged_folder_is_seldom_listed_but_none_is_forgotten(models: Path, listed: list[str]) -> None:
    folders = VersionFolders((models,))
    assert len(folders.look()) == MODELS
    counts, below = [], 2 * MODELS
    listed.clear()
    for _ in range(LIST_EVERY):
        before = len(listed)
        assert len(folders.look()) == MODELS
        counts.append(len(listed) - before - 1)
    assert max(counts) <= below / LIST_EVERY + 1
    assert len(set(listed)) == 1 + below
    listed.clear()
    folders.look(thoroughly=True)
    assert len(listed) == 1 + below


@pytest.mark.parametrize("change", ["a file beside", "a file in place", "a version", "a model", "gone"])
def test_every_change_is_seen_at_once(models: Path, change: str) -> None:
    folders = VersionFolders((models,))
    before = folders.look()
    folders.look()
    version = models / "m3" / "1"
    match change:
        case "a file beside":
            (version / "weights.bin").write_bytes(b"1")
        case "a file in place":
            with (version / "model.onnx").open("ab") as file:
                file.write(b"1")
        case "a version":
            shutil.copytree(version, models / "m3" / "2")
        case "a model":
            shutil.copytree(models / "m3", models / "another")
        case "gone":
            shutil.rmtree(version)
    after = folders.look()
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed == {{"a version": ("m3", "2"), "a model": ("another", "1")}.get(change, ("m3", "1"))}


def test_a_link_whose_target_comes_later_is_found(models: Path, tmp_path: Path) -> None:
    """The folder that holds the link does not change then."""
    (models / "m0" / "2").symlink_to(tmp_path / "elsewhere")
    folders = VersionFolders((models,))
    assert ("m0", "2") not in folders.look()
    shutil.copytree(models / "m0" / "1", tmp_path / "elsewhere")
    assert ("m0", "2") in folders.look(thoroughly=True)
    other = VersionFolders((models,))
    (models / "m1" / "2").symlink_to(tmp_path / "later")
    other.look()
    shutil.copytree(models / "m1" / "1", tmp_path / "later")
    assert any(("m1", "2") in other.look() for _ in range(LIST_EVERY))
