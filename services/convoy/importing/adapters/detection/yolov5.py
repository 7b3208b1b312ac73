"""Detectors of the YOLOv5 kind: an objectness beside the classes."""

from collections.abc import Sequence

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Choices, Probe, Reading, Resize, check_classes, read_one
from convoy.importing.adapters.boxes import draw_corners
from convoy.importing.adapters.detection.yolov8 import check_unsuppressed
from convoy.importing.sketch import Sketch


class Yolov5:
    """One output [N, A, 5+C]: centre x, centre y, width, height in input pixels, objectness, class probabilities.

    The score of a class is objectness times its probability. Source: the ONNX export of YOLOv5 (models/yolo.py, Detect,
    in inference), shared by YOLOv7 when it is exported with its grid.
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
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Boxes from centres, scores with the objectness."""
        rows = values[0]
        boxes = draw_corners(sketch, sketch.part(rows, 0, 2, axis=2), sketch.part(rows, 2, 4, axis=2))
        scores = sketch.op("Mul", sketch.part(rows, 5, 0, axis=2), sketch.part(rows, 4, 5, axis=2))
        return {"boxes": boxes, "scores": scores}
