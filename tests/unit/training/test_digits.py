"""The digits of scikit-learn as training reads them, and their recipe."""

from pathlib import Path

import numpy as np
import pytest
from convoy.core.manifest import load_manifest
from convoy_training.data import digits
from convoy_training.errors import TrainingError
from convoy_training.recipe_file import load_recipe
from convoy_training.session import open_onnx
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "training" / "recipes" / "digits-lenet.yaml"
PUBLISHED = ROOT / "exported_models" / "digits-lenet" / "1"


def test_the_splits_hold_every_digit_once() -> None:
    known = load_digits()
    train, validation = digits.load_split("train"), digits.load_split("validation")
    assert len(train.images) == 1437 and len(validation.images) == 360
    assert np.concatenate([train.labels, validation.labels]).tolist() == known.target.tolist()
    assert set(validation.labels) == set(range(10))
    small = train.images.reshape(-1, 8, 4, 8, 4, 3).mean((2, 4, 5)) * 16 / 255
    assert np.abs(small - known.images[:1437]).mean() < 0.8


def test_no_picture_is_in_both_splits() -> None:
    train, validation = (digits.load_split(split).images for split in ("train", "validation"))
    assert not {one.tobytes() for one in train} & {one.tobytes() for one in validation}


def test_there_is_no_third_split() -> None:
    with pytest.raises(TrainingError, match="digits have train and validation"):
        digits.load_split("test")


def test_the_published_model_is_better_than_the_nearest_neighbour() -> None:
    """Of the pixels themselves: 95.8 %."""
    train, validation = digits.load_split("train"), digits.load_split("validation")
    rows = [split.images.reshape(len(split.images), -1).astype(np.float32) for split in (train, validation)]
    nearest = KNeighborsClassifier(1).fit(rows[0], train.labels)
    metrics = {one.name: one.value for one in load_manifest(PUBLISHED).metrics}
    assert nearest.score(rows[1], validation.labels) == pytest.approx(0.9583, abs=1e-4)
    predict = open_onnx(PUBLISHED / "model.onnx")
    right = predict(validation.images)["probabilities"].argmax(1) == validation.labels
    assert metrics["top1_accuracy"] == pytest.approx(right.mean(), abs=0.003) and right.mean() > 0.97


def test_the_recipe_builds_lenet() -> None:
    task, config = load_recipe(RECIPE)
    assert sum(one.numel() for one in task.build_model(config).parameters()) == 62_006
    images = digits.load_split("train").images / 255
    assert images.mean() == pytest.approx(config.mean[0], abs=0.02)
    assert images.std() == pytest.approx(config.deviation[0], abs=0.02)
    assert task.describe(config).manifest["labels"] == list("0123456789")
