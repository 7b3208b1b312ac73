"""What can go wrong on the way is said in one sentence, and leaves nothing half-written."""

import errno
import json
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from convoy_training.data import boxes, faults, masks
from convoy_training.data.photo import Photo
from convoy_training.errors import CheckpointError, ExportError, LabelError, RecipeError
from convoy_training.models.architecture import find_architecture
from convoy_training.publishing.folder import publish
from convoy_training.publishing.publication import check_agreement
from convoy_training.recipe_file import resolve_recipe
from convoy_training.runs.checkpoint import load_model
from convoy_training.runs.loop import fit
from convoy_training.task import Data, Metric
from convoy_training.tasks.classification import check_size

from tests.unit.training.test_loop import changed
from tests.unit.training.tiny_task import CONFIG, TASK, Batches


def test_a_class_without_boxes_is_told_of_and_no_box_at_all_is_refused() -> None:
    example = boxes.Example(Photo({}, "a.jpg", 9, 9), np.array([[0, 0, 3, 3]], np.float32), np.array([1]))
    with faults.collecting() as found:
        boxes.check_classes(boxes.Split([example], ("RBC", "WBC", "Ba")), "cells")
    assert [str(note) for note in found.notes] == [
        f"cells: class '{name}' has no box in the training split: it is never found" for name in ("RBC", "Ba")
    ]
    empty = boxes.Example(example.photo, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    with pytest.raises(LabelError, match="cells: the training split has no box: nothing could be learnt"):
        boxes.check_classes(boxes.Split([empty], ("RBC", "WBC")), "cells")


@pytest.mark.parametrize("task", ["detection", "localisation"])
def test_a_validation_split_without_boxes_is_refused(task: str, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("RBC\n")
    for number, split in enumerate(("train", "val")):
        for kind in ("images", "labels"):
            (tmp_path / kind / split).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "images" / split / "a.png"), np.full((64, 64, 3), number, np.uint8))
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    fields = {"data": {"format": "yolo", "path": str(tmp_path), "title": "t"}, "name": "t", "epochs": 1,
              "batch_size": 1, "optimizer": {"lr": 0.1}}  # fmt: skip
    further = {"sought": ["RBC"]} if task == "localisation" else {}
    task, config = resolve_recipe({"task": task, **fields, **further}, "test")
    with pytest.raises(LabelError, match="the validation split has no box"):
        task.build_data(config)


def test_a_class_without_pixels_is_told_of_and_a_single_one_is_refused() -> None:
    with faults.collecting() as found:
        masks.check_classes(masks.Split([], ("road", "sky", "sea"), np.array([3, 4, 0])), "street")
    (note,) = found.notes
    assert str(note) == "street: class 'sea' has no pixel in the training masks: it is never found"
    with pytest.raises(
        LabelError, match=r"street: the training masks show fewer than two classes \(road\): label some$"
    ):
        masks.check_classes(masks.Split([], ("road", "sky"), np.array([3, 0])), "street")
    with pytest.raises(
        LabelError, match=r"90 pixels are ignored: .* called ignore, .* unlabelled, void, which you rename"
    ):
        masks.check_classes(masks.Split([], ("road",), np.array([3]), ignored=90), "street")


def test_a_class_that_validation_does_not_show_is_told_of_and_none_at_all_is_refused() -> None:
    with faults.collecting() as found:
        masks.check_validation(masks.Split([], ("road", "sky"), np.array([3, 0])), "street")
        box = boxes.Example(Photo({}, "a.jpg", 9, 9), np.array([[0, 0, 3, 3]], np.float32), np.array([1]))
        boxes.check_validation(boxes.Split([box], ("RBC", "WBC")), "cells")
    assert [str(note) for note in found.notes] == [
        "street: class 'sky' has no pixel in the validation masks: it is not measured",
        "cells: class 'RBC' has no box in the validation split: it is not measured",
    ]
    with pytest.raises(LabelError, match="street: the validation masks label no pixel: nothing could be measured"):
        masks.check_validation(masks.Split([], ("road", "sky"), np.array([0, 0]), ignored=9), "street")


def test_a_class_that_255_perhaps_meant_is_told_of() -> None:
    with faults.collecting() as found:
        masks.check_classes(masks.Split([], ("bg", "fg"), np.array([2000, 2]), ignored=398), "set")
    (note,) = found.notes
    assert note.kind == "nearly all ignored" and "'fg' has 2 pixels, and 398 are ignored" in str(note)
    with faults.collecting() as found:  # labels of a seventh of the pixels are sparse, not wrong
        masks.check_classes(masks.Split([], ("bg", "fg"), np.array([1900, 400]), ignored=14_000), "set")
    assert not found.notes


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match="batch_size 64 x 1 processes: an epoch has 32 examples, fewer than one step takes"
    ):
        fit(TASK, CONFIG.model_copy(update={"batch_size": 64}), tmp_path)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    fit(TASK, CONFIG.model_copy(update={"epochs": 1}), tmp_path)
    before, limits = (tmp_path / "last.ckpt").read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "recipe.yaml").unlink()
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))  # every file that grows beyond it fails to
    try:
        with pytest.raises(
            CheckpointError, match=r"last\.ckpt cannot be written: .*make room, then continue with --resume"
        ):
            fit(TASK, CONFIG, tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "last.ckpt").read_bytes() == before and not list(tmp_path.glob("*.partial"))
    assert isinstance(load_model(TASK, CONFIG, tmp_path), torch.nn.Module)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"text", {"other": 1}, {"model": 7, "epoch": "x"}])
def test_a_damaged_checkpoint_is_named(content: object, tmp_path: Path) -> None:
    fit(TASK, CONFIG.model_copy(update={"epochs": 1}), tmp_path)
    file = tmp_path / "last.ckpt"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        load_model(TASK, CONFIG, tmp_path)
    with pytest.raises(CheckpointError, match=r"last\.ckpt is damaged, or is not a checkpoint of this recipe"):
        fit(TASK, CONFIG.model_copy(update={"epochs": 1}), tmp_path, resume=True)


def test_a_run_is_not_gone_on_with_on_other_data(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"epochs": 1})
    fit(TASK, config, tmp_path)
    other = changed(build_data=lambda config: Data(Batches(config.batch_size), "1" * 64))
    with pytest.raises(RecipeError, match=r"the data has changed since .* began"):
        fit(other, config, tmp_path, resume=True)
    assert json.loads((tmp_path / "environment.json").read_text())["data_sha256"] == "0" * 64


@pytest.mark.parametrize(("name", "side"), [("alexnet", 32), ("vgg16", 16), ("overfeat", 224), ("whitened-resnet", 4)])
def test_a_size_that_a_network_cannot_look_at_is_refused(name: str, side: int) -> None:
    architecture = find_architecture(name)
    with pytest.raises(RecipeError, match=f"input_size: {name} cannot take pictures of {side} pixels; it was made for"):
        check_size(architecture, side)
    check_size(architecture, architecture.input[0])


def test_a_checkpoint_that_comes_back_changed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zipfile.ZipFile.testzip", lambda self: "archive/data/0")
    with pytest.raises(CheckpointError, match="does not read back as it was written"):
        fit(TASK, CONFIG, tmp_path)
    assert not (tmp_path / "last.ckpt").exists()


def test_a_model_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.onnx").write_bytes(b"old")

    def write(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ExportError, match=r"1 cannot be written: .*No space left"):
        publish(tmp_path / "1", write)
    assert (tmp_path / "1" / "model.onnx").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ExportError, match="cannot be written"):
        publish(tmp_path / "1" / "model.onnx" / "2", write)
    publish(tmp_path / "1", lambda folder: None)
    assert [path.name for path in tmp_path.iterdir()] == ["1"] and not list((tmp_path / "1").iterdir())


def test_a_metric_that_pytorch_and_onnx_disagree_on_stops_the_export() -> None:
    def measured(value: float) -> list[Metric]:
        return [Metric("top1_accuracy", value, "d", "validation", 9)]

    check_agreement(measured(0.9), measured(0.905))
    check_agreement(measured(float("nan")), measured(float("nan")))
    for value in (0.85, float("nan")):
        with pytest.raises(ExportError, match=r"top1_accuracy is 0\.9000 in PyTorch"):
            check_agreement(measured(0.9), measured(value))
