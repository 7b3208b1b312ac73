"""Puts all annotated pictures of the demo into one."""

from collections.abc import Sequence

import cv2
import numpy as np

from convoy.client.answers.common import ImageRGB
from convoy.demo.stage import Scene
from convoy.drawing.drawing import GREEN, RED
from convoy.drawing.text import add_title_below

TILE = 400
GAP = 8
COLUMNS = 4
BACKGROUND = 245


def make_sheet(scenes: Sequence[Scene]) -> ImageRGB:
    """A contact sheet, row by row. A title is green where the answer was right and red where it was wrong."""
    tiles = [_make_tile(scene) for scene in scenes]
    columns = min(COLUMNS, len(tiles))
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), BACKGROUND, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = GAP + place // columns * (height + GAP), GAP + place % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def _make_tile(scene: Scene) -> ImageRGB:
    height, width = scene.image_rgb.shape[:2]
    scale = TILE / max(height, width)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(scene.image_rgb, size, interpolation=interpolation)
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    top, left = (TILE - small.shape[0]) // 2, (TILE - small.shape[1]) // 2
    tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    return add_title_below(tile, scene.caption, GREEN if scene.is_right else RED)
