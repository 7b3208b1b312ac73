"""CIFAR-10 (Krizhevsky 2009): 50,000 training images 32x32; the last 5,000 are the validation split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from convoy_training.data.source import compute_digest, find, read_arrays
from convoy_training.errors import LabelError

ARCHIVE = "cifar10_A.npz"
VALIDATION = 5_000


@dataclass(frozen=True)
class Split:
    """images uint8 RGB [N,32,32,3], labels int64 [N], classes: the label's names."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


@cache
def load_split(split: str) -> Split:
    """`train` (45,000 images) or `validation` (5,000)."""
    archive = read_arrays(find(ARCHIVE), ("classes", "data", "labels", "offsets"))
    labels = archive["labels"].astype(np.int64)
    classes = tuple(name.decode() for name in archive["classes"])
    rows = np.arange(len(labels))
    rows = rows[-VALIDATION:] if split == "validation" else rows[:-VALIDATION]
    images = np.stack([_decode(archive, row, len(classes)) for row in rows])
    return Split(images, labels[rows], classes)


def digest() -> str:
    """The SHA-256 of the archive."""
    return compute_digest(find(ARCHIVE))


def _decode(archive: dict[str, NDArray[np.generic]], row: int, classes: int) -> NDArray[np.uint8]:
    start, end = archive["offsets"][row : row + 2]
    if not 0 <= int(archive["labels"][row]) < classes:
        raise LabelError(ARCHIVE, int(row) + 1, f"label {archive['labels'][row]} is not one of {classes} classes")
    try:
        image = simplejpeg.decode_jpeg(archive["data"][start:end].tobytes(), colorspace="RGB")
    except ValueError as error:
        raise LabelError(ARCHIVE, int(row) + 1, f"the image cannot be decoded: {error}") from error
    if image.shape != (32, 32, 3):
        raise LabelError(ARCHIVE, int(row) + 1, f"the image is {image.shape}, not (32, 32, 3)")
    return image
