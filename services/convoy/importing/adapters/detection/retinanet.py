"""Detectors of the RetinaNet kind, before their boxes are decoded."""

import math
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
    check_classes,
    reading_of,
)
from convoy.importing.adapters.arithmetic import around, cell_points, floats, repeated, sigmoid
from convoy.importing.adapters.boxes import draw_cells, draw_corners, draw_sizes
from convoy.importing.adapters.detection.pairs import read_boxes_and_scores
from convoy.importing.sketch import Sketch

STRIDES = (8, 16, 32, 64, 128)
ASPECT_RATIOS = (0.5, 1.0, 2.0)
"""Height divided by width."""
LARGEST_GROWTH = 1000 / 16
"""How many times as large as its anchor a box may be."""


class Retinanet(Adapter):
    """Regression [N, A, 4] and class logits [N, A, C] of torchvision's RetinaNet: the outputs of its head.

    Levels P3 to P7 (strides 8 to 128) one after another; in each rows, then columns, then nine anchors: three aspect
    ratios (1/2, 1, 2; height by width), and for each three areas. Side lengths are 4 strides, times 2^(1/3) and times
    2^(2/3), both rounded down to whole pixels; a ratio r makes the anchor sqrt(r) times as high and 1/sqrt(r) times as
    wide; its corners are rounded to whole pixels around the cell's upper left corner. Boxes: centre = anchor's centre +
    (dx, dy) x its size, size = its size x exp(dw, dh), growth bounded by 1000/16. Scores: sigmoid. The input's sides
    are multiples of 128. Source: torchvision.models.detection.retinanet and anchor_utils.AnchorGenerator; Lin et al.,
    Focal Loss for Dense Object Detection, ICCV 2017.
    """

    name = "retinanet"
    task = Task.DETECTION
    layout = "regression [N, A, 4] and class logits [N, A, C] before decoding, nine anchors a cell, strides 8 to 128"
    preprocess = "imagenet"
    resize: Resize = "letterbox"
    stride = 128

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the two outputs with exactly as many rows as there are anchors."""
        if probe.height % self.stride or probe.width % self.stride:
            raise WrongShapeError(f"the input's sides must be multiples of {self.stride}")
        names = read_boxes_and_scores(probe)
        anchors = 9 * sum(probe.cells(stride) for stride in STRIDES)
        reading = reading_of(probe, names)
        if reading.shapes[0][1] != anchors:
            raise WrongShapeError(f"{reading.shapes[0][1]} rows are not the {anchors} anchors of this input")
        check_classes(reading.shapes[1][2], choices)
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Boxes decoded from their anchors, sigmoid of the scores."""
        deltas, logits = values
        centres, sizes = _draw_anchors(sketch)
        shift = sketch.op("Mul", sketch.part(deltas, 0, 2, axis=2), sizes)
        growth = sketch.op("Exp", sketch.op("Min", sketch.part(deltas, 2, 4, axis=2), math.log(LARGEST_GROWTH)))
        boxes = draw_corners(sketch, sketch.op("Add", centres, shift), sketch.op("Mul", sizes, growth))
        return {"boxes": boxes, "scores": sketch.op("Sigmoid", logits)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Shift the anchors' corners to each cell, then take their centres and sizes."""
        anchors = []
        for stride in STRIDES:
            points = cell_points(height, width, stride, len(anchor_corners(stride)))
            corners = repeated(anchor_corners(stride), cells=len(points) // 9)
            anchors.append(corners + np.tile(points, 2))
        corners = np.concatenate(anchors)
        centres, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        deltas, logits = floats(values[0]), floats(values[1])
        grown = sizes * np.minimum(np.exp(deltas[..., 2:]), LARGEST_GROWTH)
        return {"boxes": around(centres + deltas[..., :2] * sizes, grown), "scores": sigmoid(logits)}


def anchor_corners(stride: int) -> list[tuple[float, float, float, float]]:
    """Make the nine anchors of a level, xyxy around the origin, in whole pixels."""
    sides = [int(4 * stride * 2 ** (third / 3)) for third in range(3)]
    halves = [(side / math.sqrt(ratio) / 2, side * math.sqrt(ratio) / 2) for ratio in ASPECT_RATIOS for side in sides]
    return [(round(-width), round(-height), round(width), round(height)) for width, height in halves]


def _draw_anchors(sketch: Sketch) -> tuple[str, str]:
    """Draw centres and sizes of all anchors, [1, A, 2] each. Rounded corners lie evenly around the cell's corner."""
    centres, sizes = [], []
    for stride in STRIDES:
        corners = anchor_corners(stride)
        centres.append(draw_cells(sketch, stride, anchors=len(corners), offset=0))
        sizes.append(draw_sizes(sketch, stride, [(x1 - x0, y1 - y0) for x0, y0, x1, y1 in corners]))
    return sketch.concat(centres, axis=1), sketch.concat(sizes, axis=1)
