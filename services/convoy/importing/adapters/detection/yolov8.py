"""Detectors of the YOLOv8 kind: anchors last, no objectness."""

from collections.abc import Sequence
from dataclasses import replace

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Adapter, Array, Choices, Probe, Reading, Resize, check_classes, read_one
from convoy.importing.adapters.arithmetic import floats
from convoy.importing.adapters.detection.pairs import decode_boxes, draw_boxes
from convoy.importing.adapters.detection.rows import check_unsuppressed
from convoy.importing.sketch import Sketch


class Yolov8(Adapter):
    """One output [N, 4+C, A]: centre x, centre y, width, height in input pixels, class probabilities.

    Source: the ONNX export of Ultralytics YOLOv8 and its successors with nms=False (docs.ultralytics.com/modes/export).
    """

    name = "yolov8"
    task = Task.DETECTION
    layout = "one output [N, 4+C, A]: cx, cy, w, h in input pixels, classes"
    preprocess = "zero-one"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output [1, 4+C, A] with more anchors than numbers for each."""
        check_unsuppressed(probe)
        reading = read_one(probe, "[N, 4+C, A]", lambda shape: len(shape) == 3 and 4 < shape[1] < shape[2])
        check_classes(reading.shapes[0][1] - 4, choices)
        return replace(reading, form="centres", boxes=choices.boxes or "pixels")

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Anchors first, boxes from centres."""
        rows = sketch.op("Transpose", values[0], perm=[0, 2, 1])
        boxes = draw_boxes(sketch, sketch.part(rows, 0, 4, axis=2), reading)
        return {"boxes": boxes, "scores": sketch.part(rows, 4, 0, axis=2)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Boxes around centres, the rest are scores."""
        rows = floats(values[0]).transpose(0, 2, 1)
        return {"boxes": decode_boxes(rows[..., :4], height, width, reading), "scores": rows[..., 4:]}
