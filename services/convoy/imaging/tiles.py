"""Cuts a picture into tiles that overlap, so that a graph of bounded memory takes a picture of any size.

A tile has a core, which no other tile has, and `overlap` pixels around it on which the answer may depend. So the cores'
answers fit together without seams. What lies beyond the picture is its mirror image (without its edge twice, as
NumPy's `reflect` and OpenCV's BORDER_REFLECT_101), or zeros.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convoy.core.manifest import Border

Plane = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Tile:
    """One tile, in pixels of the picture. top, left, height, width: its core; rows, columns: the sides of its core in
    the graph's input, rounded up to whole strides; overlap: pixels around that.
    """

    top: int
    left: int
    height: int
    width: int
    rows: int
    columns: int
    overlap: int


def cut(height: int, width: int, long_side: int, overlap: int, stride: int) -> Iterator[Tile]:
    """Yield the tiles of a picture, row by row; no side of a graph's input is longer than `long_side`."""
    most = (long_side - 2 * overlap) // stride * stride
    across = list(_divide(width, most, stride))
    for top, tall in _divide(height, most, stride):
        for left, wide in across:
            yield Tile(top, left, min(tall, height - top), min(wide, width - left), tall, wide, overlap)


def look(picture: Plane, tile: Tile, border: Border) -> Plane:
    """Return a tile with its overlap, [rows + 2 overlap, columns + 2 overlap, ...], from a picture [H, W, ...]."""
    height, width = picture.shape[:2]
    rows = np.arange(tile.top - tile.overlap, tile.top + tile.rows + tile.overlap)
    columns = np.arange(tile.left - tile.overlap, tile.left + tile.columns + tile.overlap)
    if rows[0] >= 0 and columns[0] >= 0 and rows[-1] < height and columns[-1] < width:
        return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    seen = picture[_mirror(rows, height)[:, None], _mirror(columns, width)]
    if border == "zero":
        seen[(rows < 0) | (rows >= height)] = 0
        seen[:, (columns < 0) | (columns >= width)] = 0
    return seen


def _divide(length: int, most: int, stride: int) -> Iterator[tuple[int, int]]:
    """Divide a side into equal parts (start, length) of whole strides, at most `most`; the last may end beyond."""
    parts = -(-length // most)
    step = -(-length // (parts * stride)) * stride
    for start in range(0, length, step):
        yield start, min(step, -(-(length - start) // stride) * stride)


def _mirror(places: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    period = max(1, 2 * (length - 1))
    folded = places % period
    return np.where(folded < length, folded, period - folded)
