"""Decodes layouts in NumPy: the import compares each adapter's drawing with this.

Nothing here knows how adapters draw graphs. Boxes and points are in input pixels, x before y; arrays are float64.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Any64 = npt.NDArray[np.generic]


def floats(values: Any64) -> Floats:
    """Convert to numbers that are exact enough for a comparison."""
    return np.asarray(values, np.float64)


def sigmoid(values: Floats) -> Floats:
    """Compute the sigmoid without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(values / 2)), np.float64)


def softmax(values: Floats) -> Floats:
    """Compute the softmax over the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float64)


def around(centres: Floats, sizes: Floats) -> Floats:
    """Make boxes xyxy [..., 4] from centres and sizes [..., 2]."""
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=-1)


def beside(points: Floats, distances: Floats) -> Floats:
    """Make boxes xyxy [..., 4] from points [..., 2] and the distances to left, top, right and bottom [..., 4]."""
    return np.concatenate([points - distances[..., :2], points + distances[..., 2:]], axis=-1)


def cell_points(height: int, width: int, stride: int, anchors: int = 1, offset: float = 0.0) -> Floats:
    """Place the anchors of a feature map, [cells * anchors, 2]: rows, columns, then the anchors of a cell."""
    rows, columns = -(-height // stride), -(-width // stride)
    y, x = np.mgrid[:rows, :columns]
    points = (np.stack([x, y], axis=-1).reshape(-1, 2) + offset) * stride
    return np.repeat(points, anchors, axis=0).astype(np.float64)


def repeated(per_anchor: Sequence[Any], cells: int) -> Floats:
    """Repeat the values of a cell's anchors for all cells: [cells * anchors, ...]."""
    one = np.array(per_anchor, np.float64)
    return np.tile(one, (cells, *[1] * (one.ndim - 1)))


def landmarks(origins: Floats, offsets: Floats) -> Floats:
    """Make five points [..., A, 5, 2] from origins [A, 2] and offsets in pixels [..., A, 10]."""
    return offsets.reshape(*offsets.shape[:-1], 5, 2) + origins[:, None, :]


def resize_planes(planes: Floats, height: int, width: int) -> Floats:
    """Resize planes [C, h, w], bilinearly with half-pixel centres."""
    if planes.shape[1:] == (height, width):
        return planes
    resized = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes]
    return np.array(resized, np.float64)
