"""Pictures without a face: the training pictures of the other tasks, and patterns that are drawn.

A detector that has seen faces alone takes a clock, a blood cell or gravel for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from convoy_training.data import cifar, isbi, masks, voc
from convoy_training.data.photo import Photo

CELLS, STREETS, TISSUE = "bccd_voc_A.tar", "camvid_A.tar", "isbi2012_membrane_A.tar"
ARCHIVES = (cifar.ARCHIVE, CELLS, STREETS, TISSUE)
TITLES = ("CIFAR-10", "BCCD", "CamVid", "ISBI 2012", "drawn patterns")
Pixels = NDArray[np.uint8]
Draw = Callable[[int, Generator], Pixels]


def draw(side_px: int, random: Generator) -> Pixels:
    """A picture uint8 RGB [side,side,3] without a face; its kind is drawn first, by the shares in `KINDS`."""
    draws, shares = zip(*KINDS.values(), strict=True)
    chosen: Draw = draws[random.choice(len(draws), p=shares)]
    return chosen(side_px, random)


def _draw_thing(side_px: int, random: Generator) -> Pixels:
    """An animal or a vehicle of CIFAR-10, alone or four to nine of them side by side."""
    images = cifar.load_split("train").images
    count = int(random.choice((1, 1, 2, 3)))
    rows = [
        np.hstack(
            [
                cv2.resize(images[random.integers(len(images))], (96, 96), interpolation=cv2.INTER_CUBIC)
                for _ in range(count)
            ]
        )
        for _ in range(count)
    ]
    return _mirror(cv2.resize(np.vstack(rows), (side_px, side_px), interpolation=cv2.INTER_LINEAR), random)


def _draw_cells(side_px: int, random: Generator) -> Pixels:
    return _cut(_load_cells(), side_px, (0.3, 1.5), random)


def _draw_street(side_px: int, random: Generator) -> Pixels:
    """A part of a frame, never enlarged much: the faces of its passers-by stay smaller than those that are learnt."""
    return _cut(_load_streets(), side_px, (0.7, 1.1), random)


def _draw_tissue(side_px: int, random: Generator) -> Pixels:
    return _cut(_load_tissue(), side_px, (0.5, 3.0), random)


def _draw_pattern(side_px: int, random: Generator) -> Pixels:
    """Coloured noise of several grain sizes, with discs, rings and bars on it: gravel, clocks, buttons, sockets."""
    image = np.zeros((side_px, side_px, 3), np.float32)
    for grain in random.choice((2, 4, 8, 16, 32, 64), 3, replace=False):
        cells = max(2, side_px // int(grain))
        noise = random.normal(0, 1, (cells, cells, 3 if random.random() < 0.5 else 1)).astype(np.float32)
        image += cv2.resize(noise, (side_px, side_px), interpolation=cv2.INTER_CUBIC).reshape(side_px, side_px, -1)
    image = image * random.uniform(5, 40) + random.uniform(40, 215, 3).astype(np.float32)
    canvas = np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))
    for _ in range(int(random.integers(0, 12))):
        colour = tuple(int(v) for v in random.integers(0, 256, 3))
        x, y, size, *_ = (int(v) for v in random.integers(side_px // 20, side_px, 3))
        radius, width = max(2, size // int(random.integers(2, 10))), int(random.choice((-1, 2, 5)))
        if random.random() < 0.7:
            cv2.ellipse(canvas, (x, y), (radius, int(radius * random.uniform(0.7, 1.2))), 0, 0, 360, colour, width)
        else:
            cv2.line(
                canvas, (x, y), (x + radius, y + int(random.integers(-radius, radius + 1))), colour, abs(width) + 1
            )
    return canvas


def _cut(photos: Sequence[Photo], side_px: int, scales: tuple[float, float], random: Generator) -> Pixels:
    """A part of a picture, enlarged by a factor from `scales`; the factor grows where the picture would not fill it."""
    image = photos[int(random.integers(len(photos)))].decode().image_rgb
    scale = max(random.uniform(*scales), side_px / min(image.shape[:2]))
    part = max(1, min(round(side_px / scale), *image.shape[:2]))
    top, left = (int(random.integers(0, whole - part + 1)) for whole in image.shape[:2])
    cut = image[top : top + part, left : left + part]
    return _mirror(cv2.resize(cut, (side_px, side_px), interpolation=cv2.INTER_LINEAR), random)


def _mirror(image: NDArray[np.generic], random: Generator) -> Pixels:
    return np.ascontiguousarray(image[:, ::-1] if random.random() < 0.5 else image, np.uint8)


@cache
def _load_cells() -> Sequence[Photo]:
    return [example.photo for example in voc.load_split(CELLS, "train").examples]


@cache
def _load_streets() -> Sequence[Photo]:
    return [example.photo for example in masks.load_split(STREETS, "train").examples]


@cache
def _load_tissue() -> Sequence[Photo]:
    return [example.photo for example in isbi.load_split(TISSUE, "train").examples]


KINDS: dict[str, tuple[Draw, float]] = {
    "thing": (_draw_thing, 0.4),
    "cells": (_draw_cells, 0.15),
    "street": (_draw_street, 0.15),
    "tissue": (_draw_tissue, 0.1),
    "pattern": (_draw_pattern, 0.2),
}
"""How each kind is drawn, and its share."""
