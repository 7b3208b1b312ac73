"""Detectors of the YOLOv8-pose kind: boxes and classes as YOLOv8, and named points."""

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
    WrongShapeError,
    read_one,
)
from convoy.importing.adapters.arithmetic import floats
from convoy.importing.adapters.detection.pairs import decode_boxes, draw_boxes
from convoy.importing.adapters.detection.rows import check_unsuppressed
from convoy.importing.sketch import Sketch

SLACK = 1e-3


class Yolov8Pose(Adapter):
    """One output [N, 4+C+D*K, A]: box and classes as yolov8, then K points: x and y in input pixels and, if D is 3, how
    visible it is, 0 to 1.

    Source: the ONNX export of Ultralytics YOLOv8-pose and its successors; ultralytics/nn/modules/head.py, Pose.
    """

    name = "yolov8-pose"
    task = Task.DETECTION
    layout = "one output [N, 4+C+D*K, A]: cx, cy, w, h in input pixels, classes, points x, y (and visibility)"
    preprocess = "zero-one"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output. How many points there are, the user or the file's metadata say."""
        check_unsuppressed(probe)
        reading = read_one(probe, "[N, 4+C+D*K, A]", lambda shape: len(shape) == 3 and 4 < shape[1] < shape[2])
        rest = reading.shapes[0][1] - 4 - choices.classes
        if choices.points is None:
            raise WrongShapeError("nothing says which points it finds; name them with --points")
        if rest not in (2 * choices.points, 3 * choices.points):
            beside = f"{rest} numbers stand beside box and classes"
            raise WrongShapeError(f"{beside}, not two or three for each of {choices.points} points")
        if choices.boxes == "normalised":
            raise Misfit("its points are in pixels, so its boxes cannot be normalised")
        numbers, end = rest // choices.points, 4 + choices.classes
        rows = probe.every(reading.outputs[0])
        if numbers == 3 and not (rows[:, end + 2 :: 3].min() >= -SLACK and rows[:, end + 2 :: 3].max() <= 1 + SLACK):
            raise Misfit(
                "the visibilities of its points do not lie in 0 to 1: export the network with its own decoding"
            )
        shape = {"classes": choices.classes, "points": choices.points, "numbers": numbers}
        return replace(reading, form="centres", **shape)  # type: ignore[arg-type]

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Anchors first, boxes from centres; the points are the last numbers."""
        rows, end = sketch.op("Transpose", values[0], perm=[0, 2, 1]), 4 + reading.classes
        points = sketch.part(rows, end, 0, axis=2)
        return {
            "boxes": draw_boxes(sketch, sketch.part(rows, 0, 4, axis=2), reading),
            "scores": sketch.part(rows, 4, end, axis=2),
            "points": sketch.reshape(points, 0, -1, reading.points, reading.numbers),
        }

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Boxes around centres, then scores, then points."""
        rows = floats(values[0]).transpose(0, 2, 1)
        wide = reading.points * reading.numbers
        return {
            "boxes": decode_boxes(rows[..., :4], height, width, reading),
            "scores": rows[..., 4:-wide],
            "points": rows[..., -wide:].reshape(*rows.shape[:2], reading.points, reading.numbers),
        }
