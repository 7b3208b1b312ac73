"""Detectors of the YOLOX kind: one anchor a cell, an objectness, boxes that are decoded or not."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Adapter,
    Array,
    Choices,
    Misfit,
    Probe,
    Reading,
    Resize,
    check_classes,
    read_one,
)
from convoy.importing.adapters.arithmetic import around, cell_points, floats
from convoy.importing.adapters.boxes import draw_cells, draw_corners, draw_sizes
from convoy.importing.adapters.detection.rows import check_unsuppressed, says_always
from convoy.importing.adapters.plausibility import check_boxes
from convoy.importing.sketch import Sketch

STRIDES = (8, 16, 32)


class Yolox(Adapter):
    """One output [N, A, 5+C], one anchor a cell: box, objectness, class probabilities; score = objectness x class.

    As exported, the box is raw: centre = (raw + cell) x stride, size = exp(raw) x stride; rows of cells at strides 8,
    16, 32 one after another. With decode_in_inference it is centre x, centre y, width, height in input pixels; the
    numbers show which. Input: BGR 0 to 255, padded with 114 at the right and below. Source: Megvii-BaseDetection/YOLOX,
    yolox/models/yolo_head.py and yolox/data/data_augment.py; Ge et al., YOLOX, 2021.
    """

    name = "yolox"
    task = Task.DETECTION
    layout = "one output [N, A, 5+C], one anchor a cell of strides 8, 16, 32: raw box, objectness, classes"
    preprocess = "raw-bgr"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output with one row for each cell; its boxes are raw unless they already span the input."""
        check_unsuppressed(probe)
        cells = sum(probe.cells(stride) for stride in STRIDES)
        what = f"[N, {cells}, 5+C]: one row for each cell of strides 8, 16, 32"
        reading = read_one(probe, what, lambda shape: len(shape) == 3 and shape[1] == cells and shape[2] > 5)
        check_classes(reading.shapes[0][2] - 5, choices)
        if says_always(probe, reading.outputs[0], 4, 1.0) and choices.adapter != self.name:
            raise Misfit("its objectness is 1 everywhere, so it has none")
        decoded = _spans(probe, replace(reading, decoded=True), self)
        note = "boxes are decoded already" if decoded else "boxes are raw; the graph decodes them from their cells"
        return replace(reading, decoded=decoded, notes=(note,))

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Boxes from cells, scores with the objectness."""
        rows = values[0]
        centres, sizes = sketch.part(rows, 0, 2, axis=2), sketch.part(rows, 2, 4, axis=2)
        if not reading.decoded:
            corners = sketch.concat([draw_cells(sketch, stride, 1, offset=0) for stride in STRIDES], axis=1)
            steps = sketch.concat([draw_sizes(sketch, stride, [[float(stride)]]) for stride in STRIDES], axis=1)
            centres = sketch.op("Add", sketch.op("Mul", centres, steps), corners)
            sizes = sketch.op("Mul", sketch.op("Exp", sizes), steps)
        scores = sketch.op("Mul", sketch.part(rows, 5, 0, axis=2), sketch.part(rows, 4, 5, axis=2))
        return {"boxes": draw_corners(sketch, centres, sizes), "scores": scores}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Level by level: (raw + cell) x stride, exp(raw) x stride."""
        rows = floats(values[0])
        scores = rows[..., 4:5] * rows[..., 5:]
        if reading.decoded:
            return {"boxes": around(rows[..., :2], rows[..., 2:4]), "scores": scores}
        boxes, first = [], 0
        for stride in STRIDES:
            cells = cell_points(height, width, stride) / stride
            level = rows[:, first : first + len(cells)]
            boxes.append(around((level[..., :2] + cells) * stride, np.exp(level[..., 2:4]) * stride))
            first += len(cells)
        return {"boxes": np.concatenate(boxes, axis=1), "scores": scores}


def _spans(probe: Probe, reading: Reading, adapter: Adapter) -> bool:
    try:
        for one in probe.seen:
            values = [one.outputs[name] for name in reading.outputs]
            decoded = adapter.decode(values, probe.height, probe.width, reading)
            check_boxes(decoded, probe.height, probe.width, dense=True, crosses=False)
    except Misfit:
        return False
    return True
