"""Runs become points of a curve."""

import json
from pathlib import Path

import pytest
import yaml
from convoy_training import scaling
from convoy_training.errors import RecipeError
from convoy_training.tasks.face_embedding import Config, count_samples

FIELDS = {
    "name": "tiny",
    "task": "face_embedding",
    "epochs": 4,
    "batch_size": 5,
    "optimizer": {"lr": 0.1},
    "architecture": {"dimension": 8, "crop_px": 32, "widths": [4, 4], "depths": [1]},
    "images_per_person": 3,
}
FILES = ["lfw/a/1", "lfw/a/2", "lfw/a/3", "lfw/a/4", "lfw/b/1", "lfw/c/1", "lfw/d/1", "lfw/d/2"]


def write_run(folder: Path, **changes: object) -> Path:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(FIELDS | changes))
    metric = {"name": "lfw_pair_accuracy", "value": 0.9, "dataset": "LFW", "split": "validation", "n": 10}
    (folder / "metrics.json").write_text(json.dumps([metric]))
    return folder


def test_an_epoch_counts_capped_people_and_a_share_of_singles() -> None:
    assert count_samples([4, 1, 1, 2], Config.model_validate(FIELDS)) == 3 + 2 + 1
    assert count_samples([4, 1, 1, 2], Config.model_validate(FIELDS | {"triplets": {}})) == 3 + 2


def test_a_run_says_what_it_was_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling.identities, "list_files", lambda sets, split, selection: FILES)
    point = scaling.read_point(write_run(tmp_path / "one"))
    assert (point.run, point.loss, point.people, point.images, point.images_seen) == ("one", "margin softmax", 4, 8, 24)
    assert point.values == {"lfw_pair_accuracy": 0.9}
    twice = scaling.read_point(write_run(tmp_path / "two", epochs=8, triplets={}))
    assert (twice.loss, twice.images_seen) == ("triplet", 40)
    (section,) = scaling.show_points([twice, point])
    assert len(section.charts) == 3 and "lfw_pair_accuracy" in section.charts[0]


def test_a_run_of_another_task_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "one")
    fields = {name: FIELDS[name] for name in ("name", "epochs", "batch_size", "optimizer")}
    (run / "recipe.yaml").write_text(yaml.safe_dump(fields | {"task": "face_detection"}))
    with pytest.raises(RecipeError, match="is for face embedders"):
        scaling.read_point(run)
