"""Draws geometry that several detectors share into the graph. Coordinates are in input pixels, x before y."""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from convoy.importing.sketch import Sketch


def draw_corners(sketch: Sketch, centres: str, sizes: str) -> str:
    """Draw boxes xyxy [N, A, 4] from centres and sizes, [N, A, 2] each."""
    half = sketch.op("Mul", sizes, 0.5)
    return sketch.concat([sketch.op("Sub", centres, half), sketch.op("Add", centres, half)], axis=2)


def draw_cells(sketch: Sketch, stride: int, anchors: int, offset: float) -> str:
    """Draw the anchors of a feature map, [1, cells * anchors, 2]: rows, then columns, then the anchors of a cell.

    offset: the point in its cell, in cells: 0 is the upper left corner, 0.5 the middle.
    """
    rows, columns = _cells_along(sketch, sketch.height, stride), _cells_along(sketch, sketch.width, stride)
    shape = sketch.lengths(rows, columns, anchors, 1)
    y = sketch.op("Expand", sketch.reshape(_positions(sketch, rows, stride, offset), -1, 1, 1, 1), shape)
    x = sketch.op("Expand", sketch.reshape(_positions(sketch, columns, stride, offset), 1, -1, 1, 1), shape)
    return sketch.reshape(sketch.concat([x, y], axis=3), 1, -1, 2)


def draw_sizes(sketch: Sketch, stride: int, sizes: Sequence[Sequence[float]]) -> str:
    """Repeat constants for each cell of a feature map: [anchors, K] becomes [1, cells * anchors, K]."""
    constants = np.array(sizes, np.float32)
    anchors, width = constants.shape
    rows, columns = _cells_along(sketch, sketch.height, stride), _cells_along(sketch, sketch.width, stride)
    spread = sketch.op("Expand", constants[None, None], sketch.lengths(rows, columns, anchors, width))
    return sketch.reshape(spread, 1, -1, width)


def draw_landmarks(sketch: Sketch, origins: str, offsets: str) -> str:
    """Draw landmarks [N, A, 5, 2]: origins [1, A, 2] plus offsets [N, A, 10] in pixels."""
    # Repeat the origins instead of broadcasting them: sums of pairs are slow.
    points = sketch.op("Add", offsets, sketch.concat([origins] * 5, axis=2))
    return sketch.reshape(points, 0, -1, 5, 2)


def draw_count(sketch: Sketch, stride: int) -> str:
    """Compute how many cells a feature map has, [1]."""
    return sketch.op("Mul", _cells_along(sketch, sketch.height, stride), _cells_along(sketch, sketch.width, stride))


def _cells_along(sketch: Sketch, side: str, stride: int) -> str:
    rounded = sketch.op("Add", side, np.array([stride - 1], np.int64))
    return sketch.op("Div", rounded, np.array([stride], np.int64))


def _positions(sketch: Sketch, count: str, stride: int, offset: float) -> str:
    scalar = sketch.op("Reshape", count, np.zeros(0, np.int64))
    index = sketch.op("Range", np.array(0, np.int64), scalar, np.array(1, np.int64))
    position = sketch.op("Mul", sketch.cast(index, TensorProto.FLOAT), float(stride))
    return sketch.op("Add", position, offset * stride) if offset else position
