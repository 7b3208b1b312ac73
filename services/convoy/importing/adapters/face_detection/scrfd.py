"""Face detectors of the SCRFD kind."""

from collections.abc import Sequence

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Adapter,
    Array,
    Choices,
    Probe,
    Reading,
    Resize,
    WrongShapeError,
    reading_of,
)
from convoy.importing.adapters.arithmetic import beside, cell_points, floats, landmarks
from convoy.importing.adapters.boxes import draw_cells, draw_landmarks
from convoy.importing.adapters.face_detection.levels import STRIDES, sort_levels
from convoy.importing.sketch import Sketch

ANCHORS = 2


class Scrfd(Adapter):
    """Nine outputs: for each stride 8, 16, 32 scores, distances to the box's sides, offsets of the five landmarks.

    The order is: rows of cells, columns, two anchors of a cell; a cell's point is its upper left corner. Box = point -
    (left, top) x stride, point + (right, bottom) x stride; landmark = point + offset x stride. Outputs are
    [N, rows, 1 | 4 | 10]. InsightFace's packages have [rows, ...] without a batch: with N pictures, they put the batch
    between cells and anchors (exported with permute(2, 3, 0, 1)), and this adapter reorders it. Scores are sigmoids.
    Input:
    RGB, (pixel - 127.5) / 128. Source: insightface, detection/scrfd/tools/scrfd.py and its pull request 1781; Guo et
    al., Sample and Computation Redistribution for Efficient Face Detection, ICLR 2022.
    """

    name = "scrfd"
    task = Task.FACE_DETECTION
    layout = "for each stride 8, 16, 32: scores [N, A, 1], distances [N, A, 4], landmarks [N, A, 10]; 2 anchors a cell"
    preprocess = "scrfd"
    resize: Resize = "letterbox"
    stride = 32
    crosses = True

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the nine outputs by their shapes."""
        if len(probe.outputs) == 6:
            raise WrongShapeError("it has no landmarks; take a model of the `kps` kind")
        levels = sort_levels(probe, ANCHORS, {1: 1, 4: 1, 10: 1})
        return reading_of(probe, [name for level in levels for name in level])

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Decode each level, then put the levels one after another."""
        batched = [_with_batch(sketch, value, shape) for value, shape in zip(values, reading.shapes, strict=True)]
        scores, boxes, landmarks = [], [], []
        for place, stride in enumerate(STRIDES):
            score, distances, offsets = batched[3 * place : 3 * place + 3]
            points = draw_cells(sketch, stride, ANCHORS, offset=0)
            scores.append(score)
            boxes.append(_draw_boxes(sketch, points, sketch.op("Mul", distances, float(stride))))
            landmarks.append(draw_landmarks(sketch, points, sketch.op("Mul", offsets, float(stride))))
        return {
            "boxes": sketch.concat(boxes, axis=1),
            "scores": sketch.concat(scores, axis=1),
            "landmarks": sketch.concat(landmarks, axis=1),
        }

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Level by level; without a batch axis there is one picture."""
        scores, boxes, points = [], [], []
        for place, stride in enumerate(STRIDES):
            score, distances, offsets = (floats(value).reshape(-1, value.shape[-1]) for value in
                                         values[3 * place : 3 * place + 3])  # fmt: skip
            origins = cell_points(height, width, stride, ANCHORS)
            scores.append(score)
            boxes.append(beside(origins, distances * stride))
            points.append(landmarks(origins, offsets * stride))
        parts = {"boxes": boxes, "scores": scores, "landmarks": points}
        return {name: np.concatenate(levels)[None] for name, levels in parts.items()}


def _draw_boxes(sketch: Sketch, points: str, distances: str) -> str:
    start = sketch.op("Sub", points, sketch.part(distances, 0, 2, axis=2))
    end = sketch.op("Add", points, sketch.part(distances, 2, 4, axis=2))
    return sketch.concat([start, end], axis=2)


def _with_batch(sketch: Sketch, value: str, shape: tuple[int, ...]) -> str:
    """Draw [N, rows, width] from the same shape or from [cells x N x anchors, width]."""
    if len(shape) == 3:
        return value
    width = shape[-1]
    cells_first = sketch.reshape_to(value, -1, sketch.batch, ANCHORS * width)
    return sketch.reshape(sketch.op("Transpose", cells_first, perm=[1, 0, 2]), 0, -1, width)
