"""Covers one place of a picture after another, and lays out what that changes: occlusion, after Zeiler and Fergus 2014.

The picture is divided into cells. A cover is two cells wide and two high and moves by one cell, also half across the
picture's border, so that each cell is covered four times: its value is the mean of four falls.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.resizing import Placement

Floats = npt.NDArray[np.float32]
LONGEST_SIDE = 1024
"""Of a map, in pixels: it is smooth, and a larger one would show nothing more."""


@dataclass(frozen=True)
class Grid:
    """The cells of the part of a graph's input that shows the picture. rows, columns: their edges, in pixels of it."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def covers(self) -> tuple[int, int]:
        """How many covers there are, down and across."""
        return len(self.rows), len(self.columns)

    def cover(self, canvas: Pixels, row: int, column: int, colour: Pixels) -> Pixels:
        """Return a copy of a graph's input [H, W, 3] with one place covered; row, column: from 0 on, below `covers`."""
        covered = canvas.copy()
        top, bottom = _ends(self.rows, row)
        left, right = _ends(self.columns, column)
        covered[top:bottom, left:right] = colour
        return covered


def divide(placement: Placement, cells: int) -> Grid:
    """Divide what a graph sees of a picture into cells that are nearly square, `cells` along the longer side."""
    side = max(placement.width, placement.height) / cells

    def edges(start: int, length: int) -> tuple[int, ...]:
        count = max(1, min(length, round(length / side)))
        return tuple(start + round(length * place / count) for place in range(count + 1))

    return Grid(edges(placement.y, placement.height), edges(placement.x, placement.width))


def mean_colour(canvas: Pixels, placement: Placement) -> Pixels:
    """Return the mean colour [3] of the part of a graph's input that shows the picture."""
    part = canvas[placement.y : placement.y + placement.height, placement.x : placement.x + placement.width]
    return np.asarray(np.rint(part.mean(axis=(0, 1))), np.uint8)


def spread(falls: Floats) -> Floats:
    """Give each cell the mean of the four covers that hide it. falls: [R + 1, C + 1]; returns [R, C]."""
    return np.asarray((falls[:-1, :-1] + falls[1:, :-1] + falls[:-1, 1:] + falls[1:, 1:]) / 4, np.float32)


def map_size(picture: Picture) -> tuple[int, int]:
    """Return the width and height of a picture's map: its own, reduced to LONGEST_SIDE."""
    scale = min(1.0, LONGEST_SIDE / max(picture.width, picture.height))
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def lay_out(cells: Floats, placement: Placement, picture: Picture) -> Floats:
    """Lay the values of cells [R, C] over the picture: a smooth map of `map_size`, 0 where the graph sees nothing."""
    width, height = map_size(picture)
    seen_height, seen_width = picture.image_rgb.shape[:2]
    across, down = width / seen_width, height / seen_height
    left, right = _span(placement.source_left, placement.source_width, across, width)
    top, bottom = _span(placement.source_top, placement.source_height, down, height)
    laid = np.zeros((height, width), np.float32)
    laid[top:bottom, left:right] = cv2.resize(cells, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    return laid


def _ends(edges: tuple[int, ...], place: int) -> tuple[int, int]:
    """Where a cover begins and ends; the first and the last one lie half across the border."""
    return edges[max(0, place - 1)], edges[min(len(edges) - 1, place + 1)]


def _span(start: int, length: int, scale: float, most: int) -> tuple[int, int]:
    first = min(round(start * scale), most - 1)
    return first, max(first + 1, min(round((start + length) * scale), most))
