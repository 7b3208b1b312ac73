"""Deletion and insertion curves (Petsiuk et al. 2018): how soon the label goes, or comes, in the order of a map.

Deletion covers the highest places first, by the picture's mean colour: the lower the area under the curve of the
label's probability, the better the map. Insertion begins with a blurred picture and brings the highest places back
first: the higher, the better.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from convoy_training.task import Predict

STEPS = 16
AT_ONCE_PIXELS = 2**20
"""In the frames that the network sees at once: a layer of 64 channels takes 256 MiB for them."""


@dataclass(frozen=True)
class Curves:
    """The label's probability after each step, [STEPS + 1] from nothing to everything."""

    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]

    @property
    def deletion_area(self) -> float:
        """The area under the curve, 0 to 1."""
        return area(self.deletion)

    @property
    def insertion_area(self) -> float:
        """The area under the curve, 0 to 1."""
        return area(self.insertion)


def trace(predict: Predict, image: NDArray[np.uint8], index: int, heat: NDArray[np.float32]) -> Curves:
    """The curves of a map [h,w] of a picture, uint8 RGB [H,W,3]; a map of another size is laid over the picture."""
    if heat.shape != image.shape[:2]:  # a service's maps have at most 1,024 pixels a side
        heat = np.asarray(cv2.resize(heat, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    order = np.argsort(-heat, axis=None, kind="stable")
    mean = np.broadcast_to(np.rint(image.mean((0, 1))).astype(np.uint8), image.shape)
    side = max(image.shape[:2])
    blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), side / 8, borderType=cv2.BORDER_REFLECT_101), np.uint8)
    return Curves(_follow(predict, image, mean, order, index), _follow(predict, blurred, image, order, index))


def area(values: NDArray[np.float64]) -> float:
    """The area under a curve over 0 to 1, by trapezoids."""
    return float(np.trapezoid(values, dx=1 / (len(values) - 1)))


def _follow(
    predict: Predict, start: NDArray[np.uint8], end: NDArray[np.uint8], order: NDArray[np.intp], index: int
) -> NDArray[np.float64]:
    """The label's probability from `start` to `end` in STEPS equal parts of the places in `order`: [STEPS + 1]."""
    rows, at_once = [], max(1, AT_ONCE_PIXELS // len(order))
    for first in range(0, STEPS + 1, at_once):
        frames = [_mix(start, end, order, step) for step in range(first, min(first + at_once, STEPS + 1))]
        rows.append(predict(np.stack(frames))["probabilities"][:, index].astype(np.float64))
    return np.concatenate(rows)


def _mix(start: NDArray[np.uint8], end: NDArray[np.uint8], order: NDArray[np.intp], step: int) -> NDArray[np.uint8]:
    frame = start.reshape(-1, 3).copy()
    chosen = order[: round(len(order) * step / STEPS)]
    frame[chosen] = end.reshape(-1, 3)[chosen]
    return frame.reshape(start.shape)
