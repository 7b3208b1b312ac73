"""A new architecture is one file: a recipe trains it by its name, and nothing else knows of it."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from convoy_training import models
from convoy_training.cli import app
from convoy_training.errors import RecipeError
from convoy_training.models import architecture as registry
from convoy_training.models.architecture import architecture, find_architecture, list_architectures
from convoy_training.recipe_file import resolve_recipe
from convoy_training.task import task_names
from torch import nn
from typer.testing import CliRunner

CLASSIFIER = """
from torch import nn
from convoy_training.models.architecture import architecture

@architecture("mean-colour", task="classification", classes=2, input=(16, 16))
class MeanColour(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.judge = nn.Linear(3, classes)

    def forward(self, x):
        return self.judge(x.mean((2, 3)))
"""
DETECTOR = """
import torch
from torch import nn
from convoy_training.models.architecture import architecture
from convoy_training.models.detector import Detector

@architecture("one-grid", task="detection", classes=2, input=(64, 64))
class OneGrid(Detector):
    fixed_size = True

    def __init__(self, classes):
        super().__init__()
        self.look = nn.Conv2d(3, classes + 4, 32, 32)

    def forward(self, x):
        answer = self.look(x)
        rows, columns = (torch.arange(side, device=x.device) for side in answer.shape[2:])
        y, x_ = torch.meshgrid(rows, columns, indexing="ij")
        centres = (torch.stack([x_, y], -1).reshape(-1, 2) + 0.5) * 32
        rows = answer.flatten(2).transpose(1, 2)
        sides = torch.nn.functional.softplus(rows[..., -4:]) * 16
        boxes = torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], -1)
        return rows[..., :-4], boxes, centres
"""
SEGMENTER = """
from torch import nn
from convoy_training.models.architecture import architecture
from convoy_training.models.segmenter import Segmenter

@architecture("pixel-by-pixel", task="segmentation", classes=2, input=(32, 32))
class PixelByPixel(Segmenter):
    def __init__(self, classes):
        super().__init__()
        self.judge = nn.Conv2d(3, classes, 1)

    def forward(self, x):
        return self.judge(x)

    @staticmethod
    def find_stride(config):
        return 8
"""


@pytest.fixture
def add_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], object]]:
    """Puts one more file into the folder of architectures."""
    list_architectures()  # or those of the package would be registered in the copies alone, and then be lost
    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))
    monkeypatch.setattr(registry, "_SPELLINGS", dict(registry._SPELLINGS))
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path / "more")])
    (tmp_path / "more").mkdir()
    yield lambda text: (tmp_path / "more" / "brand_new.py").write_text(text)
    sys.modules.pop(f"{models.__name__}.brand_new", None)


def picture(file: Path, side: int, bright: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(bright).integers(0, 60, (side, side, 3)).astype(np.uint8)
    image[side // 4 : side // 2, side // 4 : side // 2] += np.uint8(bright)
    cv2.imwrite(str(file), image)


def write_classes(root: Path) -> dict[str, Any]:
    for split in ("train", "val"):
        for number in range(4):
            for label, bright in (("dark", 0), ("light", 150)):
                picture(root / split / label / f"{number}.png", 16, bright + number + 10 * (split == "val"))
    data = {"format": "image_folder", "path": str(root), "title": "shades"}
    return {"task": "classification", "data": data, "input_size": 16, "batch_size": 4, "architecture": "mean-colour"}


def write_boxes(root: Path) -> dict[str, Any]:
    for split in ("train", "val"):
        for number in range(4):
            picture(root / f"images/{split}/{split}{number}.png", 64, 100 + number + 10 * (split == "val"))
            (root / f"labels/{split}").mkdir(parents=True, exist_ok=True)
            (root / f"labels/{split}/{split}{number}.txt").write_text(f"{number % 2} .375 .375 .25 .25\n")
    (root / "classes.txt").write_text("odd\neven\n")
    data = {"format": "yolo", "path": str(root), "title": "squares"}
    return {"task": "detection", "data": data, "input_size": 64, "batch_size": 2, "architecture": "one-grid"}


def write_masks(root: Path) -> dict[str, Any]:
    for split in ("train", "val"):
        lines = []
        for number in range(4):
            name = f"{split}{number}.png"
            picture(root / "image" / name, 32, 100 + number + 10 * (split == "val"))
            mask = np.zeros((32, 32), np.uint8)
            mask[8:16, 8:16] = 1
            (root / "mask").mkdir(exist_ok=True)
            cv2.imwrite(str(root / "mask" / name), mask)
            lines.append(f"image/{name} mask/{name}\n")
        (root / f"{split}.txt").write_text("".join(lines))
    (root / "classes.txt").write_text("ground\nsquare\n")
    data = {"format": "masks", "path": str(root), "title": "squares"}
    fields = {"task": "segmentation", "data": data, "crop": [32, 32], "long_side": 32, "batch_size": 2}
    return {**fields, "architecture": "pixel-by-pixel"}


@pytest.mark.parametrize(
    ("text", "write"),
    [(CLASSIFIER, write_classes), (DETECTOR, write_boxes), (SEGMENTER, write_masks)],
    ids=["classification", "detection", "segmentation"],
)
def test_one_new_file_is_trained_and_published_by_its_name(
    text: str, write: Callable[[Path], dict[str, Any]], add_file: Callable[[str], object], tmp_path: Path
) -> None:
    recipe = {"name": "new", "epochs": 1, "optimizer": {"lr": 0.01}, **write(tmp_path / "data")}
    with pytest.raises(RecipeError, match=f"there is no architecture '{recipe['architecture']}'"):
        resolve_recipe(recipe, "new.yaml")
    add_file(text)
    (tmp_path / "new.yaml").write_text(yaml.safe_dump(recipe))
    run, folder = tmp_path / "run", tmp_path / "models"
    for words in (
        ["fit", str(tmp_path / "new.yaml"), "--run", str(run)],
        ["export", str(run), "--models", str(folder)],
    ):
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    manifest = yaml.safe_load((folder / "new/1/manifest.json").read_text())
    assert manifest["architecture"] == recipe["architecture"]
    assert recipe["architecture"] in CliRunner().invoke(app, ["zoo"]).output


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"task": "detection", "architecture": "yolo9000"},
         "architecture: there is no architecture 'yolo9000' for detection; there are faster-rcnn, mask-rcnn, sliding"),
        ({"task": "detection", "architecture": "resnet18"}, "no architecture 'resnet18' for detection"),
        ({"task": "segmentation", "architecture": "yolo"}, "there are unet, unet-resnet18, .*unet-original"),
        ({"task": "classification", "architecture": "unet"}, "for classification; there are alexnet, alexnet-paper"),
    ],
)  # fmt: skip
def test_a_recipe_with_another_name_is_told_which_there_are(fields: dict[str, str], told: str) -> None:
    data = {"path": "data", "title": "data"}
    with pytest.raises(RecipeError, match=told):
        resolve_recipe({"name": "n", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 1}, "data": data} | fields, "r")


def test_a_name_is_written_down_as_it_is_registered() -> None:
    fields = {"name": "n", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 1}, "architecture": "ResNet_18"}
    _, config = resolve_recipe({"task": "classification", **fields}, "r")
    assert config.architecture == "resnet18"  # type: ignore[attr-defined]


def test_two_architectures_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two architectures are called vgg16"):
        architecture("vgg16", task="classification", classes=2, input=(32, 32))(nn.Identity)
    assert find_architecture("vgg16").classes == 1000


def test_every_architecture_has_a_task_that_can_be_trained() -> None:
    assert {each.task for each in list_architectures()} <= set(task_names())


def test_the_version_is_that_of_the_installed_distribution() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"convoy-train {version('convoy-vision-training')}\n")
