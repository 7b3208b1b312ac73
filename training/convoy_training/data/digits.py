"""Handwritten digits that scikit-learn brings along: 1,797 grey pictures of 8x8, the test set of UCI's (Alpaydin 1998).

They are enlarged to LeNet's 32x32, with ink white on black as MNIST has it. The last 360 are the validation split, and
not drawn ones: digits of one writer come after each other, and so lie in one split, but for the writer at the border.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import import_module
from typing import Any

import cv2
import numpy as np

from convoy_training.data.cifar import SIDE, Split
from convoy_training.errors import TrainingError

VALIDATION = 360
DEEPEST = 16
CLASSES = tuple("0123456789")


@cache
def load_split(split: str) -> Split:
    """Loads `train` (1,437 pictures) or `validation` (360). Raises TrainingError without scikit-learn."""
    if split not in ("train", "validation"):
        raise TrainingError(f"split '{split}': digits have train and validation")
    known = _load()
    rows = slice(-VALIDATION, None) if split == "validation" else slice(-VALIDATION)
    grey = (known.images[rows] * (255 / DEEPEST)).round().astype(np.uint8)
    large = [cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for one in grey]
    images = np.repeat(np.stack(large)[..., None], 3, axis=3)
    return Split(np.ascontiguousarray(images, np.uint8), known.target[rows].astype(np.int64), CLASSES)


def digest() -> str:
    """The SHA-256 of pictures and labels."""
    known = _load()
    return hashlib.sha256(known.images.astype(np.uint8).tobytes() + known.target.astype(np.uint8).tobytes()).hexdigest()


def _load() -> Any:
    try:
        return import_module("sklearn.datasets").load_digits()
    except ImportError:
        raise TrainingError("digits come with scikit-learn: pip install scikit-learn") from None
