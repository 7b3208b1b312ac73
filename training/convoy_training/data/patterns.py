"""Pictures of a style that anybody may use: patterns that are computed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
SIDE_PX = 256


def draw_waves() -> Pixels:
    """Bands of five colours that flow in waves, with dark outlines between them."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / 12.0
    height = y + 1.5 * np.sin(x / 2.2 + np.sin(y / 3.1)) + np.cos(x / 3.7 - y / 5.3)
    colours = np.array([(24, 40, 110), (40, 120, 180), (245, 200, 80), (230, 110, 50), (250, 240, 215)], np.uint8)
    picture = colours[np.floor(height).astype(int) % len(colours)]
    picture[height % 1 < 0.16] = (10, 12, 40)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.7), np.uint8)


def draw_mosaic() -> Pixels:
    """Small stones of warm and green colours, each of one colour, with light joints between them."""
    random = np.random.default_rng(0)
    places = random.integers(0, SIDE_PX, (700, 2))
    seeds = np.full((SIDE_PX, SIDE_PX), 255, np.uint8)
    seeds[places[:, 0], places[:, 1]] = 0
    _, stones = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.array([(170, 60, 40), (215, 150, 70), (70, 110, 60), (120, 40, 60), (190, 190, 120)])
    count = int(stones.max()) + 1
    each = colours[random.integers(len(colours), size=count)] + random.integers(-14, 15, (count, 3))
    picture = each[stones].clip(0, 255)
    joints = np.zeros((SIDE_PX, SIDE_PX), bool)
    joints[1:] |= stones[1:] != stones[:-1]
    joints[:, 1:] |= stones[:, 1:] != stones[:, :-1]
    picture[joints] = (235, 228, 205)
    return np.asarray(picture, np.uint8)


def draw_hatching() -> Pixels:
    """Black strokes of a pen in two directions on paper, denser here and there."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    dark = 0.5 + 0.5 * np.sin(x / 31.0) * np.cos(y / 23.0)
    first = (x + y) % 6 < 1 + 2 * dark
    second = ((x - y) % 7 < 2) & (dark > 0.6)
    ink = np.where(first | second, 35, 238).astype(np.uint8)
    return np.dstack([ink, np.maximum(ink, 38) - 3, np.maximum(ink, 48) - 13])


PATTERNS: Mapping[str, Callable[[], Pixels]] = {"waves": draw_waves, "mosaic": draw_mosaic, "hatching": draw_hatching}
