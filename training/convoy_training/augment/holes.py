"""Draws the holes of pictures that a network learns to fill: strokes and rectangles, as people mark them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SPACING = 6
"""One hole, on the mean, for each square whose side is this many thicknesses."""


def draw_holes(height: int, width: int, thickness: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """A mask [H,W]: 255 where the picture is missing. thickness: of strokes, and the mean side of rectangles, in px."""
    mask, wide = np.zeros((height, width), np.uint8), max(1, round(thickness))
    for _ in range(max(1, int(random.poisson(height * width / (SPACING * max(thickness, 1)) ** 2)))):
        x, y = int(random.integers(width)), int(random.integers(height))
        if random.random() < 0.3:
            across, down = (int(side) for side in random.uniform(0.5, 1.5, 2) * thickness)
            cv2.rectangle(mask, (x, y), (x + across, y + down), 255, -1)
            continue
        for _ in range(int(random.integers(1, 4))):
            angle, length = random.uniform(0, 2 * np.pi), random.uniform(1, 4) * thickness
            to = int(x + length * np.cos(angle)), int(y + length * np.sin(angle))
            cv2.line(mask, (x, y), to, 255, wide)
            x, y = to
    return mask
