"""Pictures that were decoded a moment ago, so that mosaics find their parts without decoding them again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from convoy_training.data.boxes import Example, find_divisor
from convoy_training.structures import Scene

ROOM_BYTES = 128 * 2**20
"""The memory that the kept pictures may take, unless two batches need more."""


class Recent:
    """Keeps the last `most` pictures that it opened; the first one goes when another comes. Threads may share it."""

    def __init__(self, open_row: Callable[[int], Scene], most: int) -> None:
        self._open, self._most = open_row, most
        self._kept: dict[int, Scene] = {}
        self._lock = threading.Lock()

    def open(self, row: int) -> Scene:
        """The picture of a row: the kept one, or else as `open_row` gives it."""
        scene = self._kept.get(row)
        if scene is None:
            scene = self._open(row)
            with self._lock:
                self._kept[row] = scene
                while len(self._kept) > self._most:
                    del self._kept[next(iter(self._kept))]
        return scene


def count_kept(examples: Sequence[Example], longest: int, batch_size: int) -> int:
    """How many pictures to keep: as many as have room when their longer sides are bounded, and two batches at least."""
    sizes = [(e.photo.width, e.photo.height, find_divisor(e.photo.width, e.photo.height, longest)) for e in examples]
    mean = np.mean([3 * width * height / divisor**2 for width, height, divisor in sizes])
    return max(2 * batch_size, int(ROOM_BYTES / mean))


def choose_near(order: NDArray[np.integer], end: int, count: int) -> NDArray[np.integer]:
    """The rows whose pictures are at hand when the batch that ends at `end` of an epoch's order is made.

    These are the last `count`; at the start of the epoch, when fewer have been shown, its first `count`.
    """
    return order[max(0, end - count) : max(end, count)]
