"""Covers, and maps laid over pictures."""

import tracemalloc

import cv2
import numpy as np
import pytest
from convoy.core.manifest import InputSpec
from convoy.core.pictures import heat
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.occlusion import LONGEST_SIDE, divide, lay_out, map_size, mean_colour, spread
from convoy.core.pictures.resizing import place


@pytest.mark.parametrize(
    ("height", "width", "cells"), [(32, 32, 8), (1, 1, 24), (3, 40, 24), (480, 640, 8), (40, 3, 2)]
)
def test_every_pixel_is_covered_four_times(height: int, width: int, cells: int) -> None:
    spec = InputSpec(height=64, width=64, resize="letterbox")
    canvas, placement = place(np.zeros((height, width, 3), np.uint8), spec)
    grid = divide(placement, cells)
    times = np.zeros((64, 64), int)
    for row, column in np.ndindex(*grid.covers):
        times += grid.cover(canvas, row, column, np.uint8([1, 1, 1]))[..., 0] == 1
    seen = np.zeros((64, 64), bool)
    seen[placement.y : placement.y + placement.height, placement.x : placement.x + placement.width] = True
    assert (times[seen] == 4).all()
    assert not canvas[seen].any(), "the picture itself stays as it was"


def test_a_cell_has_the_mean_of_its_four_covers() -> None:
    falls = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
    cells = spread(falls)
    assert cells.shape == (3, 5)
    assert cells[1, 2] == pytest.approx(falls[1:3, 2:4].mean())


def test_a_map_lies_where_the_network_looked() -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    _, placement = place(image, InputSpec(height=50, width=50, resize="center_crop"))
    laid = lay_out(np.ones((4, 4), np.float32), placement, Picture(image, 300, 100))
    assert laid.shape == (100, 300)
    assert (laid[:, 100:200] == 1).all() and not laid[:, :100].any() and not laid[:, 200:].any()


def test_a_map_of_a_picture_that_was_decoded_at_half_its_size_has_the_size_of_the_picture() -> None:
    image = np.zeros((50, 150, 3), np.uint8)
    _, placement = place(image, InputSpec(height=50, width=50, resize="center_crop"))
    laid = lay_out(np.ones((4, 4), np.float32), placement, Picture(image, 300, 100))
    assert laid.shape == (100, 300) and (laid[:, 100:200] == 1).all() and laid.sum() == 100 * 100


def test_maps_of_large_pictures_are_small() -> None:
    assert map_size(Picture(np.zeros((1, 1, 3), np.uint8), 8000, 2)) == (LONGEST_SIDE, 1)


def test_grey_keeps_the_sign_and_the_peak() -> None:
    values = np.float32([[-0.5, 0.0], [0.25, 1.0]])
    assert heat.to_grey(values).tolist() == [[64, 128], [160, 255]]
    assert heat.to_grey(np.zeros((2, 2), np.float32)).tolist() == [[128, 128], [128, 128]]


def test_red_speaks_for_and_blue_against() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    values = np.zeros((8, 8), np.float32)
    values[:, :4], values[:, 4:] = 1, -1
    shown = heat.lay_over(grey, values).astype(int)
    assert shown[0, 0, 0] > 150 > shown[0, 0, 2] and shown[0, 7, 2] > 150 > shown[0, 7, 0]
    assert (heat.lay_over(grey, np.zeros((8, 8), np.float32)) == grey).all()


def test_a_large_picture_is_coloured_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    picture, values = random.integers(0, 256, (50, 40, 3), np.uint8), random.normal(0, 1, (7, 5)).astype(np.float32)
    whole = heat.lay_over(picture, values)
    monkeypatch.setattr(heat, "_BAND", 3 * 40)
    np.testing.assert_array_equal(heat.lay_over(picture, values), whole)
    large = np.zeros((2000, 2000, 3), np.uint8)
    tracemalloc.start()
    heat.lay_over(large, values)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10 * 2000 * 2000  # the answer takes three bytes a pixel, the enlarged map four


def test_the_colour_of_a_cover_is_that_of_the_picture_without_its_border() -> None:
    canvas, placement = place(np.full((10, 40, 3), 200, np.uint8), InputSpec(height=64, width=64, resize="letterbox"))
    assert mean_colour(canvas, placement).tolist() == [200, 200, 200]
    assert cv2.mean(canvas)[0] != 200
