"""Detectors of the YOLOv5 kind: an objectness beside the classes."""

from collections.abc import Sequence
from dataclasses import replace

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
from convoy.importing.adapters.arithmetic import floats
from convoy.importing.adapters.detection.pairs import decode_boxes, draw_boxes
from convoy.importing.adapters.detection.rows import check_unsuppressed, says_always
from convoy.importing.sketch import Sketch


class Yolov5(Adapter):
    """One output [N, A, 5+C]: centre x, centre y, width, height in input pixels, objectness, class probabilities.

    The score of a class is objectness times its probability. Source: the ONNX export of YOLOv5 (models/yolo.py, Detect,
    in inference), shared by YOLOv7 when it is exported with its grid: three anchors a cell. YOLOv6 has one, and an
    objectness of 1 everywhere.
    """

    name = "yolov5"
    task = Task.DETECTION
    layout = "one output [N, A, 5+C]: cx, cy, w, h in input pixels, objectness, classes"
    preprocess = "zero-one"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output [1, A, 5+C] with more anchors than numbers for each."""
        check_unsuppressed(probe)
        reading = read_one(probe, "[N, A, 5+C]", lambda shape: len(shape) == 3 and 5 < shape[2] < shape[1])
        check_classes(reading.shapes[0][2] - 5, choices)
        cells = sum(probe.cells(stride) for stride in (8, 16, 32))
        one_a_cell = reading.shapes[0][1] == cells and not says_always(probe, reading.outputs[0], 4, 1.0)
        if one_a_cell and choices.adapter != self.name:
            raise Misfit("it has one row for each cell, but YOLOv5 has three")
        return replace(reading, form="centres", boxes=choices.boxes or "pixels")

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Boxes from centres, scores with the objectness."""
        rows = values[0]
        boxes = draw_boxes(sketch, sketch.part(rows, 0, 4, axis=2), reading)
        scores = sketch.op("Mul", sketch.part(rows, 5, 0, axis=2), sketch.part(rows, 4, 5, axis=2))
        return {"boxes": boxes, "scores": scores}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Boxes around centres, scores times objectness."""
        rows = floats(values[0])
        return {"boxes": decode_boxes(rows[..., :4], height, width, reading), "scores": rows[..., 4:5] * rows[..., 5:]}
