"""Says in a sentence that the memory was too small for a training, and what makes it need less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import torch

from convoy_training.errors import ShortageError
from convoy_training.recipe import Config

SAID = ("can't allocate memory", "out of memory", "not enough memory", "insufficient memory")
"""What PyTorch, CUDA and OpenCV write into errors that have no type of their own."""


@contextmanager
def telling_of_shortage(config: Config, run: Path) -> Iterator[None]:
    """Around a training: raises ShortageError in place of whatever the library raised that got no memory."""
    try:
        yield
    except (MemoryError, RuntimeError, cv2.error) as error:
        if not is_shortage(error):
            raise
        size = f"batch_size (now {config.batch_size}; with accumulate the steps stay the same)"
        told = f"the memory is too small for this training: lower {size}, or the size of the pictures"
        raise ShortageError(f"{told}. --resume continues from the last complete epoch in {run}") from error


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that there was no memory."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or any(said in str(error).lower() for said in SAID)
