"""Letterbox, crop and stretch, and their inverses."""

import numpy as np
import pytest
from convoy.core.manifest import InputSpec
from convoy.core.pictures.resizing import place
from hypothesis import given
from hypothesis import strategies as st

side = st.integers(1, 400)
LETTERBOX = InputSpec(height=96, width=160, resize="letterbox")
DYNAMIC = InputSpec(resize="letterbox", stride=32, long_side=320)
STRETCH = InputSpec(height=96, width=160, resize="stretch")
CROP = InputSpec(height=96, width=160, resize="center_crop")
EVEN = InputSpec(height=96, width=160, resize="letterbox", pad_at="both", pad_value=0)
SHARE = InputSpec(height=96, width=160, resize="center_crop", crop=0.875)
STRETCHED_SHARE = InputSpec(height=96, width=160, resize="stretch", crop=0.875)
specs = st.sampled_from([LETTERBOX, DYNAMIC, STRETCH, CROP, EVEN, SHARE, STRETCHED_SHARE])


def blank(width: int, height: int, value: int = 255) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


@given(side, side, specs)
def test_points_come_back(width: int, height: int, spec: InputSpec) -> None:
    _, placement = place(blank(width, height), spec)
    points = np.random.default_rng(0).uniform(0, [width, height], (20, 2)).astype(np.float32)
    assert np.allclose(placement.to_source(placement.to_canvas(points)), points, atol=1e-2)


@given(side, side, specs)
def test_the_canvas_has_the_size_that_the_graph_takes(width: int, height: int, spec: InputSpec) -> None:
    canvas, placement = place(blank(width, height), spec)
    assert canvas.shape == (placement.canvas_height, placement.canvas_width, 3) and canvas.flags.c_contiguous
    if spec.height is None:
        assert canvas.shape[0] % 32 == 0 and canvas.shape[1] % 32 == 0 and max(canvas.shape) <= 320
    else:
        assert canvas.shape[:2] == (spec.height, spec.width)


@given(side, side, st.sampled_from([LETTERBOX, DYNAMIC, EVEN]))
def test_a_letterbox_is_exact_to_the_pixel(width: int, height: int, spec: InputSpec) -> None:
    """A white picture: what is white is the placement's region and nothing else, and its corners map to the corners."""
    canvas, placement = place(blank(width, height), spec)
    white = (canvas == 255).all(axis=2)
    expected = np.zeros_like(white)
    expected[placement.y : placement.y + placement.height, placement.x : placement.x + placement.width] = True
    assert np.array_equal(white, expected)
    corners = np.array([[0, 0], [width, height]], np.float32)
    region = [[placement.x, placement.y], [placement.x + placement.width, placement.y + placement.height]]
    assert np.allclose(placement.to_canvas(corners), region, atol=1e-3)
    # One scale for both sides, rounded to whole pixels and never to none.
    bound = (
        (spec.width / width, spec.height / height) if spec.width and spec.height else (1.0, 320 / max(width, height))
    )
    for side_before, side_after in ((width, placement.width), (height, placement.height)):
        assert side_after == 1 or abs(side_after - side_before * min(bound)) <= 0.5 + 1e-6
    assert placement.width <= placement.canvas_width and placement.height <= placement.canvas_height


@given(st.integers(1, 96), st.integers(1, 96), st.integers(0, 2**32 - 1))
def test_a_mask_that_was_not_scaled_comes_back_exactly(width: int, height: int, seed: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 11, (height, width), np.uint8)
    canvas, placement = place(np.repeat(mask[..., None], 3, axis=2), DYNAMIC)
    assert np.array_equal(placement.mask_to_source(canvas[..., 0]), mask)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(2, 5))
def test_a_mask_scaled_by_a_whole_number_comes_back_exactly(width: int, height: int, factor: int) -> None:
    mask = np.random.default_rng(width * 31 + height).integers(0, 11, (height, width), np.uint8)
    spec = InputSpec(height=height * factor, width=width * factor, resize="stretch")
    _, placement = place(np.repeat(mask[..., None], 3, axis=2), spec)
    enlarged = mask.repeat(factor, 0).repeat(factor, 1)
    assert np.array_equal(placement.mask_to_source(enlarged), mask)


def test_the_crop_is_the_middle() -> None:
    image = blank(400, 100, 0)
    image[:, 150:250] = 255
    canvas, placement = place(image, InputSpec(height=50, width=50, resize="center_crop"))
    assert (canvas == 255).all()
    assert (placement.source_left, placement.source_width, placement.source_height) == (150, 100, 100)


def test_a_share_of_the_middle_is_cut_out() -> None:
    """224 of 256: a picture of 512x256 loses an eighth of its short side, and as much besides."""
    _, placement = place(blank(512, 256), InputSpec(height=224, width=224, resize="center_crop", crop=0.875))
    assert (placement.source_left, placement.source_top) == (144, 16)
    assert (placement.source_width, placement.source_height) == (224, 224)


def test_padding_on_both_sides_is_even() -> None:
    _, placement = place(blank(100, 60), EVEN)
    assert (placement.x, placement.y, placement.width, placement.height) == (0, 0, 160, 96)
    canvas, placement = place(blank(100, 100), EVEN)
    assert (placement.x, placement.width) == (32, 96)
    assert not canvas[:, :32].any() and not canvas[:, 128:].any()


def test_a_dynamic_size_never_enlarges() -> None:
    canvas, placement = place(blank(40, 30), DYNAMIC)
    assert (placement.width, placement.height) == (40, 30)
    assert canvas.shape == (32, 64, 3)


def test_a_spec_with_one_side_is_refused() -> None:
    with pytest.raises(ValueError, match="both height and width"):
        InputSpec(height=10, resize="stretch")
