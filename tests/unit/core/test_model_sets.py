"""A set names models for services; a service's own setting wins, and models come from several repositories."""

import os
from pathlib import Path

import pytest
from convoy.core.errors import ConvoyError
from convoy.core.manifest import Task
from convoy.core.model_sets import apply_set, write_set
from convoy.core.models.version_folders import VersionFolders
from convoy.core.settings import Settings, own_models, read_settings
from convoy.testing.tiny_models import write_model

STARTER = {"classification": "mobilenet", "detection": "yolox", "face_detector": "yunet"}


def test_a_set_chooses_where_a_service_names_no_model(tmp_path: Path) -> None:
    write_set(tmp_path, "starter", STARTER)
    settings = apply_set(Settings(models=tmp_path, model_set="starter", detection_model="own"))
    assert settings.model_of("classification") == "mobilenet" and settings.face_detector == "yunet"
    assert settings.model_of("detection") == "own"
    assert settings.model_of("segmentation") == Settings(models=tmp_path).model_of("segmentation")


def test_without_a_set_nothing_changes(tmp_path: Path) -> None:
    settings = Settings(models=tmp_path)
    assert apply_set(settings) is settings


def test_a_set_that_is_not_there_says_what_brings_it(tmp_path: Path) -> None:
    with pytest.raises(ConvoyError) as caught:
        apply_set(Settings(models=tmp_path, model_set="starter"))
    assert caught.value.reason == "NO_SET" and "convoy model pull starter" in caught.value.hint


@pytest.mark.parametrize("text", ["{", "[]", '{"detection": 3}', "\xff"])
def test_a_broken_set_is_told_of(tmp_path: Path, text: str) -> None:
    (tmp_path / "starter.set.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConvoyError) as caught:
        apply_set(Settings(models=tmp_path, model_set="starter"))
    assert caught.value.reason == "BAD_SET"


def test_folders_are_separated_by_colons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOY_MODELS", os.pathsep.join(("first", "second")))
    assert read_settings().repositories == (Path("first"), Path("second"))
    monkeypatch.delenv("CONVOY_MODELS")
    assert read_settings().repositories == (Path("exported_models"), own_models())
    monkeypatch.setenv("CONVOY_MODELS", "")
    with pytest.raises(ConvoyError, match="CONVOY_MODELS"):
        read_settings()


def test_the_first_folder_that_has_a_name_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_model(first, "shared", Task.CLASSIFICATION, "1")
    write_model(second, "shared", Task.CLASSIFICATION, "2")
    write_model(second, "other", Task.CLASSIFICATION, "1")
    found = VersionFolders((first, tmp_path / "missing", second)).look()
    assert {key: folder.path.parents[1].name for key, folder in found.items()} == {
        ("shared", "1"): "first",
        ("other", "1"): "second",
    }
