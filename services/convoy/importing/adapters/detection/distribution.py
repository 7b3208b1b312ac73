"""Decodes boxes from distributions: for each side of a box, the probability of each whole distance from its cell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from convoy.importing.adapters.arithmetic import Floats, beside, cell_points, softmax
from convoy.importing.adapters.boxes import draw_cells
from convoy.importing.sketch import Sketch


@dataclass(frozen=True)
class Grid:
    """Strides of the levels; offset: the point in its cell, in cells; less_px: pixels to subtract from that point."""

    strides: tuple[int, ...]
    offset: float
    less_px: float = 0.0

    def draw_boxes(self, sketch: Sketch, levels: Sequence[str], bins: int) -> str:
        """Draw boxes xyxy in the input from distributions [N, cells, 4 * bins], one tensor for each stride."""
        boxes = []
        for stride, level in zip(self.strides, levels, strict=True):
            shares = sketch.op("Softmax", sketch.reshape(level, 0, -1, 4, bins), axis=3)
            distances = np.arange(bins, dtype=np.float32)[:, None] * stride
            sides = sketch.reshape(sketch.op("MatMul", shares, distances), 0, -1, 4)
            points = draw_cells(sketch, stride, 1, self.offset - self.less_px / stride)
            start = sketch.op("Sub", points, sketch.part(sides, 0, 2, axis=2))
            boxes.append(sketch.concat([start, sketch.op("Add", points, sketch.part(sides, 2, 4, axis=2))], axis=2))
        return draw_inside(sketch, sketch.concat(boxes, axis=1))

    def decode_boxes(self, levels: Sequence[Floats], height: int, width: int) -> Floats:
        """Do the same in NumPy."""
        boxes = []
        for stride, level in zip(self.strides, levels, strict=True):
            shares = softmax(level.reshape(*level.shape[:2], 4, -1))
            distances = (shares * np.arange(shares.shape[-1])).sum(axis=-1) * stride
            boxes.append(beside(cell_points(height, width, stride, offset=self.offset) - self.less_px, distances))
        return np.clip(np.concatenate(boxes, axis=1), 0, [width, height, width, height])


def draw_inside(sketch: Sketch, boxes: str) -> str:
    """Clip boxes to the input."""
    ends = sketch.concat([sketch.width, sketch.height, sketch.width, sketch.height], axis=0)
    return sketch.op("Min", sketch.op("Max", boxes, 0.0), sketch.cast(ends, TensorProto.FLOAT))
