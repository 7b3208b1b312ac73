"""Detectors of the YOLOv8-seg kind: boxes and classes as YOLOv8, and masks out of prototypes."""

from collections.abc import Sequence
from dataclasses import replace

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
from convoy.importing.adapters.arithmetic import floats
from convoy.importing.adapters.detection.pairs import decode_boxes, draw_boxes
from convoy.importing.sketch import Sketch


class Yolov8Seg(Adapter):
    """Two outputs: [N, 4+C+M, A] (box and classes as yolov8, then M coefficients), and prototypes [N, M, h, w].

    A mask is the sum of the prototypes weighed by the coefficients, inside where it is above 0, and cut at its box.
    Source: the ONNX export of Ultralytics YOLOv8-seg and its successors; ultralytics/utils/ops.py, process_mask.
    """

    name = "yolov8-seg"
    task = Task.DETECTION
    layout = "[N, 4+C+M, A]: cx, cy, w, h in input pixels, classes, coefficients; prototypes [N, M, h, w]"
    preprocess = "zero-one"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the two outputs by their shapes; as many coefficients as prototypes must follow the classes."""
        rows = [name for name, array in probe.outputs.items() if array.ndim == 3]
        planes = [name for name, array in probe.outputs.items() if array.ndim == 4]
        if len(rows) != 1 or len(planes) != 1 or len(probe.outputs) != 2:
            raise WrongShapeError("the outputs are not two, [N, 4+C+M, A] and [N, M, h, w]")
        reading = reading_of(probe, [rows[0], planes[0]])
        (_, numbers, anchors), (_, prototypes, height, width) = reading.shapes
        if not 4 + prototypes < numbers < anchors:
            raise WrongShapeError(f"{numbers} numbers for each box leave no class beside {prototypes} coefficients")
        if height * probe.width != width * probe.height:
            raise WrongShapeError(
                f"prototypes of {height}x{width} do not cover an input of {probe.height}x{probe.width}"
            )
        check_classes(numbers - 4 - prototypes, choices)
        note = f"masks come from {prototypes} prototypes of {height}x{width}"
        boxes = choices.boxes or "pixels"
        return replace(reading, form="centres", boxes=boxes, masks="prototypes", classes=choices.classes, notes=(note,))

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Anchors first, boxes from centres; the coefficients are the last numbers."""
        rows, end = sketch.op("Transpose", values[0], perm=[0, 2, 1]), 4 + reading.classes
        return {
            "boxes": draw_boxes(sketch, sketch.part(rows, 0, 4, axis=2), reading),
            "scores": sketch.part(rows, 4, end, axis=2),
            "prototypes": values[1],
            "coefficients": sketch.part(rows, end, 0, axis=2),
        }

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Boxes around centres, then scores, then coefficients."""
        rows, prototypes = floats(values[0]).transpose(0, 2, 1), floats(values[1])
        count = prototypes.shape[1]
        return {
            "boxes": decode_boxes(rows[..., :4], height, width, reading),
            "scores": rows[..., 4:-count],
            "prototypes": prototypes,
            "coefficients": rows[..., -count:],
        }
