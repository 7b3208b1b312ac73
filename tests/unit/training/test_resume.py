"""A killed training goes on to the same bits, with the real tasks: their batches are drawn in several threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from convoy_training.recipe_file import resolve_recipe
from convoy_training.runs.loop import fit

from tests.unit.training.test_loop import Killed

SHARED: dict[str, Any] = {"name": "t", "epochs": 2, "batch_size": 4, "optimizer": {"lr": 0.01}, "ema_decay": 0.9}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures as folders of two classes, as masks, and with YOLO's boxes."""
    root, random = tmp_path_factory.mktemp("resume") / "set", np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        lines = []
        for number in range(count):
            picture = random.integers(0, 80, (48, 64, 3), dtype=np.uint8)
            x, y = (int(v) for v in random.integers(4, 24, 2))
            picture[y : y + 16, x : x + 20, number % 2] += 150
            mask = np.zeros((48, 64), np.uint8)
            mask[y : y + 16, x : x + 20] = 1 + number % 2
            box = f"{number % 2} {(x + 10) / 64} {(y + 8) / 48} {20 / 64} {16 / 48}\n"
            for name, content in {
                f"folders/{split}/{'ab'[number % 2]}/{number}.png": picture,
                f"masks/i/{split}{number}.png": picture,
                f"masks/m/{split}{number}.png": mask,
                f"yolo/images/{split}/{number}.png": picture,
            }.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / name), content)
            label = root / f"yolo/labels/{split}/{number}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(box)
            lines.append(f"i/{split}{number}.png m/{split}{number}.png\n")
        (root / f"masks/{split}.txt").write_text("".join(lines))
    (root / "masks/classes.txt").write_text("background\na\nb\n")
    (root / "yolo/classes.txt").write_text("a\nb\n")
    return root


def fields(task: str, data: Path) -> dict[str, Any]:
    unet = {"widths": [4, 6, 8, 8], "depths": [1, 1, 1]}
    return {
        "classification": SHARED | {
            "task": task, "architecture": "lenet", "input_size": 32, "mixup": 0.2, "rand_augment": {},
            "data": {"format": "image_folder", "path": str(data / "folders"), "title": "T"},
        },
        "detection": SHARED | {
            "task": task, "mosaic": 0.6, "input_size": 64, "widths": [4, 8, 8, 8, 8],
            "data": {"format": "yolo", "path": str(data / "yolo"), "title": "T"},
        },
        "segmentation": SHARED | unet | {
            "task": task, "crop": [32, 32], "long_side": 64, "data": {"path": str(data / "masks"), "title": "T"},
        },
        "picture_to_picture": SHARED | {
            "task": task, "architecture": "edsr", "width": 4, "depth": 4, "crop": 16, "colour": "rgb",
            "degrade": {"kind": "jpeg", "measured": [20]},
            "data": {"path": str(data / "folders"), "title": "T", "split": {"val": 0.2}},
        },
    }[task]  # fmt: skip


@contextmanager
def killed_in(epoch: int, step: int) -> Iterator[None]:
    """Ends a training in the middle of an epoch, while threads draw the next batches."""
    steps, forward = 0, torch.optim.lr_scheduler.LRScheduler.step

    def count(self: Any, *given: Any) -> None:
        nonlocal steps
        forward(self, *given)
        steps += 1
        if steps == epoch * 4 + step + 1:  # the scheduler takes a step of its own when it is made
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.lr_scheduler.LRScheduler, "step", count)
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize("name", ["classification", "detection", "segmentation", "picture_to_picture"])
def test_a_killed_run_of_a_real_task_goes_on_to_the_same_bits(name: str, data: Path, tmp_path: Path) -> None:
    task, config = resolve_recipe(fields(name, data), "here")
    unbroken = fit(task, config, tmp_path / "unbroken")
    with killed_in(epoch=1, step=2):
        fit(task, config, tmp_path / "broken")
    torch.rand(17)  # the new process's generator is somewhere else
    resumed = fit(task, config, tmp_path / "broken", resume=True)
    assert equal(unbroken.state_dict(), resumed.state_dict())
    torch.manual_seed(config.seed)
    assert not equal(unbroken.state_dict(), task.build_model(config).state_dict())


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())
