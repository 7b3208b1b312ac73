"""Cuts windows with one object, or with none, out of pictures with many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoy_training.augment.mosaic import Sides
from convoy_training.structures import Scene

TRIES = 20


@dataclass(frozen=True)
class Window:
    """image_rgb [S,S,3], the box xyxy [4] of its object as shares of the window, and its label (None: no object)."""

    image_rgb: NDArray[np.uint8]
    box_xyxy: NDArray[np.float64]
    label: int | None

    def flip(self, sides: Sides, random: np.random.Generator) -> Window:
        """The window with left and right, and top and bottom, each exchanged half of the time if `sides` allow it."""
        image, box = self.image_rgb, self.box_xyxy
        for axis in (0, 1):
            if random.random() < 0.5 and sides[axis]:
                image, near, far = np.flip(image, 1 - axis), axis, axis + 2
                box = box.copy()
                box[[near, far]] = 1 - box[[far, near]]
        return Window(np.ascontiguousarray(image), box, self.label)


def cut_window(scene: Scene, size_px: int, wanted: bool, random: np.random.Generator) -> Window | None:
    """A square of the picture: with one whole object and no part of another if `wanted`, or else with no object.

    Returns None if no such place is found in `TRIES` draws.
    """
    height, width = scene.image_rgb.shape[:2]
    side = min(size_px, height, width)
    boxes = scene.boxes_xyxy
    for _ in range(TRIES):
        low, high = np.zeros(2), np.array([width - side, height - side], float)
        if wanted:
            if not len(boxes):
                return None
            chosen = boxes[random.integers(len(boxes))]
            low, high = np.maximum(low, chosen[2:] - side), np.minimum(high, chosen[:2])
            if (low > high).any():
                continue
        left, top = (int(v) for v in np.round(random.uniform(low, high)))
        window = np.array([left, top, left + side, top + side])
        touched = np.all(np.minimum(boxes[:, 2:], window[2:]) > np.maximum(boxes[:, :2], window[:2]), axis=1)
        inside = np.all((boxes[:, :2] >= window[:2] - 0.5) & (boxes[:, 2:] <= window[2:] + 0.5), axis=1)
        if touched.sum() == int(wanted) and inside[touched].all():
            image = scene.image_rgb[top : top + side, left : left + side]
            box = (boxes[touched][0] - np.tile(window[:2], 2)) / side if wanted else np.zeros(4)
            return Window(image, np.clip(box, 0, 1), int(scene.labels[touched][0]) if wanted else None)
    return None
