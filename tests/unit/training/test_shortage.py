"""What ends a training from outside (no memory, a process that is gone) is told in one sentence."""

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from convoy_training.errors import ShortageError
from convoy_training.runs.companions import look_after
from convoy_training.runs.loop import fit

from tests.unit.training.test_loop import changed
from tests.unit.training.tiny_task import CONFIG, TASK

TOO_MUCH = 2**58  # bytes; no machine has them, whatever it promises


def by_numpy() -> object:
    return np.ones(TOO_MUCH, np.uint8)


def by_pytorch() -> object:
    return torch.ones(TOO_MUCH, dtype=torch.uint8)


def by_opencv() -> object:
    raise cv2.error("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes")


def by_a_gpu() -> object:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize("allocate", [by_numpy, by_pytorch, by_opencv, by_a_gpu])
def test_a_memory_that_is_too_small_is_told_with_what_helps(allocate: Any, tmp_path: Path) -> None:
    steps: list[int] = []

    def compute_loss(model: Any, batch: Any, config: Any) -> Any:
        steps.append(1)
        if len(steps) > 6:  # in the second epoch
            allocate()
        return TASK.compute_loss(model, batch, config)

    with pytest.raises(ShortageError, match=r"memory is too small .* batch_size \(now 8.*--resume continues"):
        fit(changed(compute_loss=compute_loss), CONFIG, tmp_path)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 1
    fit(TASK, CONFIG.model_copy(update={}), tmp_path, resume=True)


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    def compute_loss(model: Any, batch: Any, config: Any) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fit(changed(compute_loss=compute_loss), CONFIG, tmp_path)


class Other:
    """A process of the same training."""

    pid = 0

    def __init__(self, code: int | None) -> None:
        self.code, self.killed = code, False

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.killed = True


@pytest.mark.parametrize(("code", "told"), [(-9, "was killed by signal 9, perhaps for want of memory"),
                                            (1, "failed with code 1")])  # fmt: skip
def test_a_process_that_is_gone_ends_the_others(code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    ends: list[int] = []
    others = [Other(None), Other(code)]
    look_after(others, Path("runs/x"), threading.Event(), ends.append)
    assert capsys.readouterr().err == (
        f"error: process 3 of 3 {told}: --resume continues from the last complete epoch in runs/x\n"
    )
    assert ends == [1] and [other.killed for other in others] == [True, False]


def test_a_training_that_is_over_is_not_watched() -> None:
    over, ends = threading.Event(), list[int]()
    over.set()
    look_after([Other(-9)], Path("runs/x"), over, ends.append)
    assert not ends
