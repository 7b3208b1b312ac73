"""The pointing game: four pictures of four classes in a square. Does the map of a label point at its picture?

By chance it does so once in four times. Whoever points by what the network has learned does so far more often; with
shuffled weights, as often as chance (the sanity check of Adebayo et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from convoy_training.explanation.maps import Explain

CHANCE = 0.25


@dataclass(frozen=True)
class Mosaic:
    """Four pictures in a square, uint8 RGB [2H,2W,3]; the label that is asked for is in one quarter alone."""

    image: NDArray[np.uint8]
    index: int
    quarter: int

    def shrunk(self) -> Mosaic:
        """At the size of one picture, as a service shows it to a network of fixed input."""
        height, width = self.image.shape[:2]
        small = cv2.resize(self.image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        return Mosaic(np.asarray(small, np.uint8), self.index, self.quarter)

    def is_hit(self, heat: NDArray[np.float32]) -> bool:
        """Whether the highest value of a map [h,w] lies in the right quarter."""
        row, column = np.unravel_index(int(heat.argmax()), heat.shape)
        return 2 * int(2 * row >= heat.shape[0]) + int(2 * column >= heat.shape[1]) == self.quarter


def draw_mosaics(
    read: Callable[[int], NDArray[np.uint8]], labels: NDArray[np.int64], count: int, seed: int
) -> Iterator[Mosaic]:
    """Draws mosaics from the pictures of a split; read: from a row to its picture [H,W,3], all of one size."""
    random = np.random.default_rng(seed)
    classes = np.unique(labels)
    for _ in range(count):
        four = random.choice(classes, 4, replace=False)
        first, second, third, fourth = (read(int(random.choice(np.flatnonzero(labels == one)))) for one in four)
        image = np.vstack([np.hstack([first, second]), np.hstack([third, fourth])])
        quarter = int(random.integers(4))
        yield Mosaic(image, int(four[quarter]), quarter)


def play(explain: Explain, mosaics: Iterable[Mosaic]) -> list[bool]:
    """Whether each map points at the right quarter."""
    return [mosaic.is_hit(explain(mosaic.image, mosaic.index)) for mosaic in mosaics]
