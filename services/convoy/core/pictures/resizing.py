"""Resizes pictures to the size that a graph takes, and maps coordinates and masks back."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.manifest import InputSpec
from convoy.core.pictures.decoding import Pixels

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in a graph's input: the rectangle (x, y, width, height) of the canvas shows the source part.

    canvas_x = x + (source_x - source_left) * width / source_width, and the same for y. Coordinates are continuous:
    0 is the left edge of the first pixel, its width the right edge of the last.
    """

    canvas_width: int
    canvas_height: int
    x: int
    y: int
    width: int
    height: int
    source_left: int
    source_top: int
    source_width: int
    source_height: int

    def to_source(self, points_xy: Floats) -> Floats:
        """Map coordinates in the canvas, [..., 2], to the source picture."""
        scale = np.array([self.source_width / self.width, self.source_height / self.height], np.float32)
        offset = np.array([self.x, self.y], np.float32)
        return (points_xy - offset) * scale + np.array([self.source_left, self.source_top], np.float32)

    def to_canvas(self, points_xy: Floats) -> Floats:
        """Map coordinates in the source picture, [..., 2], to the canvas."""
        scale = np.array([self.width / self.source_width, self.height / self.source_height], np.float32)
        offset = np.array([self.source_left, self.source_top], np.float32)
        return (points_xy - offset) * scale + np.array([self.x, self.y], np.float32)

    def mask_to_source(self, mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Map a class map of the canvas, [H, W], to the source picture (nearest pixel)."""
        region = mask[self.y : self.y + self.height, self.x : self.x + self.width]
        return _resize(region, self.source_width, self.source_height, cv2.INTER_NEAREST_EXACT)


def min_side(spec: InputSpec) -> int | None:
    """Return how many pixels each side must keep when a JPEG is decoded at a reduced size; None for all of them.

    This is twice the input, so that the resize afterwards stays smooth.
    """
    longest = max(spec.height, spec.width) if spec.height and spec.width else spec.long_side
    return None if longest is None else math.ceil(2 * longest / spec.crop)


def place(image_rgb: Pixels, spec: InputSpec) -> tuple[Pixels, Placement]:
    """Bring a picture to a graph's input size, in the manifest's way.

    image_rgb: [H, W, 3]. Returns the canvas, contiguous uint8, and where the picture lies in it.
    """
    height, width = image_rgb.shape[:2]
    if spec.resize == "center_crop":
        placement = _center_crop(width, height, spec)
    elif spec.resize == "letterbox":
        placement = _letterbox(width, height, spec)
    else:
        placement = _stretch(width, height, spec)
    return _render(image_rgb, placement, spec.pad_value), placement


def _letterbox(width: int, height: int, spec: InputSpec) -> Placement:
    """Keep the aspect ratio, and pad the rest of the canvas: at the right, below, or on both sides."""
    if spec.height is not None and spec.width is not None:
        scale = min(spec.width / width, spec.height / height)
        inner_width, inner_height = _at_least_one(width * scale), _at_least_one(height * scale)
        canvas = (spec.width, spec.height)
    else:
        assert spec.long_side is not None  # the manifest proves it
        scale = min(1.0, spec.long_side / max(width, height))
        inner_width, inner_height = _at_least_one(width * scale), _at_least_one(height * scale)
        canvas = (_round_up(inner_width, spec.stride), _round_up(inner_height, spec.stride))
    x, y = (0, 0) if spec.pad_at == "end" else ((canvas[0] - inner_width) // 2, (canvas[1] - inner_height) // 2)
    return Placement(*canvas, x, y, inner_width, inner_height, 0, 0, width, height)


def _center_crop(width: int, height: int, spec: InputSpec) -> Placement:
    """Cut out the largest part of the middle that has the input's aspect ratio, or a share of that part."""
    assert spec.height is not None and spec.width is not None  # the manifest proves it
    scale = min(width / spec.width, height / spec.height) * spec.crop
    part_width, part_height = _at_least_one(spec.width * scale), _at_least_one(spec.height * scale)
    left, top = (width - part_width) // 2, (height - part_height) // 2
    return Placement(spec.width, spec.height, 0, 0, spec.width, spec.height, left, top, part_width, part_height)


def _stretch(width: int, height: int, spec: InputSpec) -> Placement:
    """Stretch the picture, or a share of its middle, whatever its aspect ratio."""
    to_width, to_height = spec.width or width, spec.height or height
    part_width, part_height = _at_least_one(width * spec.crop), _at_least_one(height * spec.crop)
    left, top = (width - part_width) // 2, (height - part_height) // 2
    return Placement(to_width, to_height, 0, 0, to_width, to_height, left, top, part_width, part_height)


def _render(image_rgb: Pixels, to: Placement, pad_value: int) -> Pixels:
    part = image_rgb[
        to.source_top : to.source_top + to.source_height, to.source_left : to.source_left + to.source_width
    ]
    shrinks = to.width < to.source_width or to.height < to.source_height
    inner = _resize(part, to.width, to.height, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if (to.width, to.height) == (to.canvas_width, to.canvas_height):
        return np.ascontiguousarray(inner)
    canvas = np.full((to.canvas_height, to.canvas_width, 3), pad_value, np.uint8)
    canvas[to.y : to.y + to.height, to.x : to.x + to.width] = inner
    return canvas


def _resize(image: npt.NDArray[np.uint8], width: int, height: int, method: int) -> npt.NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def _at_least_one(length: float) -> int:
    return max(1, round(length))


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
