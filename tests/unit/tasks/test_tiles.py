"""Large pictures in tiles."""

import numpy as np
import pytest
from convoy.faces.tiles import MOST_TILES, OVERLAP_PX, choose_scale, cut_tiles


@pytest.mark.parametrize("size", [(640, 640), (641, 300), (3000, 2000), (640, 5000), (1600, 1600)])
def test_every_small_square_lies_whole_in_a_tile(size: tuple[int, int]) -> None:
    width, height = size
    tiles = np.array(list(cut_tiles(width, height, 640)))
    assert len(tiles) <= MOST_TILES and (tiles[:, 2:] <= 640).all()
    side = OVERLAP_PX - 2
    for x in range(0, width - side, 37):
        for y in range(0, max(1, height - side), 37):
            inside = (tiles[:, 0] <= x) & (x + side <= tiles[:, 0] + tiles[:, 2])
            assert (inside & (tiles[:, 1] <= y) & (y + side <= tiles[:, 1] + tiles[:, 3])).any()


@pytest.mark.parametrize("size", [(8660, 5773), (50_000, 1000), (3000, 2000)])
def test_the_number_of_tiles_is_bounded(size: tuple[int, int]) -> None:
    scale = choose_scale(*size, 640)
    assert len(list(cut_tiles(round(size[0] * scale), round(size[1] * scale), 640))) <= MOST_TILES
    assert (scale == 1) == (size == (3000, 2000))
