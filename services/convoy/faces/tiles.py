"""Cuts a large picture into overlapping tiles, so that small faces in it keep their pixels."""

import math
from collections.abc import Iterator

MOST_TILES = 40
"""Bounds the time for a picture: a larger picture is reduced until so many tiles cover it."""

OVERLAP_PX = 96
"""How far neighbours overlap: a face up to this size is complete in one tile; the whole look finds larger faces."""


def count_tiles(length: float, tile_px: int) -> int:
    """Count the overlapping tiles that cover a length."""
    return max(1, math.ceil((length - OVERLAP_PX) / (tile_px - OVERLAP_PX)))


def choose_scale(width: int, height: int, tile_px: int) -> float:
    """Find the largest scale, at most 1, at which MOST_TILES cover a picture."""
    scale = 1.0
    while count_tiles(width * scale, tile_px) * count_tiles(height * scale, tile_px) > MOST_TILES:
        scale *= 0.95
    return scale


def cut_tiles(width: int, height: int, tile_px: int) -> Iterator[tuple[int, int, int, int]]:
    """Return left, top, width and height of each tile, spread evenly over the picture."""
    for top, tile_height in _spread(height, tile_px):
        for left, tile_width in _spread(width, tile_px):
            yield left, top, tile_width, tile_height


def _spread(length: int, tile_px: int) -> list[tuple[int, int]]:
    if length <= tile_px:
        return [(0, length)]
    count = count_tiles(length, tile_px)
    return [(round(i * (length - tile_px) / (count - 1)), tile_px) for i in range(count)]
