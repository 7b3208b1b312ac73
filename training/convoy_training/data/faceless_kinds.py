"""Pictures without a face, of fourteen kinds, in which detectors see one all the same: animals, cells, noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal, TypeVar

import cv2
import numpy as np
from convoy.core.pictures.decoding import Pixels, decode_image
from numpy.typing import NDArray

from convoy_training.data import cifar, isbi
from convoy_training.data.archive import decode_text
from convoy_training.data.faceless import CELLS, STREETS, TISSUE
from convoy_training.data.source import find, read_tar

SIDE_PX = 448
"""Small pictures are enlarged to so many pixels a side."""
PIECES = 3
"""A slice of tissue is cut into so many pieces across and down, since there are few."""
NOISE_PX = (8, 16, 32, 64)

Split = Literal["train", "validation"]
Item = TypeVar("Item")


@cache
def load_faceless(split: Split, count: int) -> dict[str, Sequence[Pixels]]:
    """Loads `count` pictures uint8 RGB of each kind, or all that there are, evenly out of a split."""
    kinds: dict[str, Sequence[Pixels]] = {
        "cells": [decode_image(file).image_rgb for file in _pick(_list_cells(split), count)],
        "streets": [decode_image(file).image_rgb for file in _pick(_list_streets(split), count)],
        "tissue": [enlarge(piece) for piece in _pick([*_cut_tissue(split)], count)],
        "noise": _make_noise(split, count),
    }
    things = cifar.load_split(split)
    for label, name in enumerate(things.classes):
        rows = np.flatnonzero(things.labels == label)
        kinds[name] = [enlarge(things.images[row]) for row in _pick(rows.tolist(), count)]
    return kinds


def enlarge(picture: NDArray[np.uint8]) -> Pixels:
    """Enlarges a picture to 448 pixels a side."""
    return np.asarray(cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)


def _pick(items: Sequence[Item], count: int) -> list[Item]:
    rows = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[row] for row in rows]


def _list_cells(split: Split) -> list[bytes]:
    files = read_tar(find(CELLS))
    listed = f"bccd/ImageSets/Main/{'train' if split == 'train' else 'val'}.txt"
    names = decode_text(files[listed], listed).split()
    return [files[f"bccd/JPEGImages/{name}.jpg"] for name in names]


def _list_streets(split: Split) -> list[bytes]:
    files = read_tar(find(STREETS))
    folder = f"camvid/{'train' if split == 'train' else 'val'}/"
    return [files[name] for name in sorted(files) if name.startswith(folder)]


def _cut_tissue(split: Split) -> Iterator[Pixels]:
    for example in isbi.load_split(TISSUE, split).examples:
        image = example.photo.decode().image_rgb
        height, width = (side // PIECES for side in image.shape[:2])
        for top in range(0, height * PIECES, height):
            for left in range(0, width * PIECES, width):
                yield image[top : top + height, left : left + width]


def _make_noise(split: Split, count: int) -> list[Pixels]:
    random = np.random.default_rng(0 if split == "train" else 1)
    sides = [NOISE_PX[row % len(NOISE_PX)] for row in range(count)]
    return [enlarge(random.integers(0, 256, (side, side, 3)).astype(np.uint8)) for side in sides]
