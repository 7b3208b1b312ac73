"""Pictures turned by quarters, so that a detector of upright faces finds those that lie or stand on their head."""

import numpy as np
import numpy.typing as npt

from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Pixels

QUARTERS = (1, 2, 3)
"""The turns beside upright: 90, 180 and 270 degrees against the clock."""

Floats = npt.NDArray[np.float32]


def turn(canvas: Pixels, quarters: int) -> Pixels:
    """The canvas [H, W, 3] turned against the clock by so many quarters."""
    return np.ascontiguousarray(np.rot90(canvas, quarters))


def turn_back(outputs: Outputs, quarters: int, width: int, height: int) -> Outputs:
    """A detector's outputs for a turned canvas as those of the canvas before, which had this width and height.

    Landmarks keep their order: the first eye stays the left one of the face turned upright.
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
