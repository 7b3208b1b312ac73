"""Turns pictures by quarters, so that a detector of upright faces also finds faces that lie or are upside down."""

import numpy as np
import numpy.typing as npt

from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Pixels

QUARTERS = (1, 2, 3)
"""The turns besides upright: 90, 180 and 270 degrees counterclockwise."""

Floats = npt.NDArray[np.float32]


def turn(canvas: Pixels, quarters: int) -> Pixels:
    """Turn the canvas [H, W, 3] counterclockwise by so many quarters."""
    return np.ascontiguousarray(np.rot90(canvas, quarters))


def turn_back(outputs: Outputs, quarters: int, width: int, height: int) -> Outputs:
    """Map a detector's outputs for a turned canvas back to the canvas before, which had this width and height.

    Landmarks keep their order: the first eye is the left one when the face is turned upright.
    """
    if quarters == 0:
        return outputs
    corners = _turn_points_back(np.asarray(outputs["boxes"], np.float32).reshape(-1, 2, 2), quarters, width, height)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    points = np.asarray(outputs["landmarks"], np.float32).reshape(-1, 5, 2)
    return {**outputs, "boxes": boxes, "landmarks": _turn_points_back(points, quarters, width, height)}


def _turn_points_back(points_xy: Floats, quarters: int, width: int, height: int) -> Floats:
    x, y = points_xy[..., 0], points_xy[..., 1]
    before = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarters]
    return np.stack(before, axis=-1)
