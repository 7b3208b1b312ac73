"""Detectors with decoded boxes and scores in two outputs, of the SSD kind."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Choices,
    Misfit,
    Probe,
    Reading,
    Resize,
    Shape,
    check_classes,
    reading_of,
)
from convoy.importing.adapters.scores import draw_scores, read_scores
from convoy.importing.sketch import Sketch

LARGEST_NORMALISED = 2.0
"""Boxes reach a little beyond the picture, so normalised ones a little beyond 1."""


class Ssd:
    """Boxes [N, A, 4] xyxy, decoded, in input pixels or as shares of the input; scores [N, A, C] or [N, A, 1+C].

    Scores are probabilities or logits; where there is one more than labels, the first class is the background. Source:
    Liu et al., SSD, ECCV 2016 (background as class 0, boxes as shares of the picture), and the exports that follow it.
    """

    name = "ssd"
    task = Task.DETECTION
    layout = "boxes [N, A, 4] xyxy in pixels or 0..1, scores [N, A, C] or, with a background first, [N, A, 1+C]"
    preprocess = "zero-one"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find boxes and scores; numbers tell shares from pixels and logits from probabilities unless choices do."""
        names = read_boxes_and_scores(probe)
        boxes, scores = (probe.outputs[name] for name in names)
        background = scores.shape[2] == choices.classes + 1
        check_classes(scores.shape[2] - background, choices)
        _check_corners(np.asarray(boxes, np.float32))
        reading = read_scores(reading_of(probe, names), scores, choices, background)
        return _read_unit(reading, np.asarray(boxes, np.float32), choices)

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Boxes in pixels, scores without the background."""
        boxes, scores = values
        if reading.boxes == "normalised":
            sides = sketch.concat([sketch.width, sketch.height, sketch.width, sketch.height], axis=0)
            boxes = sketch.op("Mul", boxes, sketch.cast(sides, TensorProto.FLOAT))
        return {"boxes": boxes, "scores": draw_scores(sketch, scores, reading)}


def read_boxes_and_scores(probe: Probe) -> list[str]:
    """The names of two outputs, boxes [1, A, 4] and scores [1, A, any]. Raises Misfit.

    Where both have 4 numbers the boxes are the one with "box" in its name, otherwise the first.
    """
    shapes: dict[str, Shape] = {name: array.shape for name, array in probe.outputs.items()}
    if len(shapes) == 3 and sorted(len(shape) for shape in shapes.values()) == [1, 1, 2]:
        raise Misfit("boxes, labels and scores of one picture have been through suppression; export the network's head")
    names = sorted(shapes, key=lambda name: (shapes[name][-1:] != (4,), "box" not in name.lower()))
    fits = len(names) == 2 and all(len(shape) == 3 for shape in shapes.values())
    if not fits or shapes[names[0]][2] != 4 or shapes[names[0]][1] != shapes[names[1]][1]:
        raise Misfit("the outputs are not two, [N, A, 4] and [N, A, C]")
    return names


def _read_unit(reading: Reading, boxes: np.ndarray[tuple[int, ...], np.dtype[np.float32]], choices: Choices) -> Reading:
    if choices.boxes is not None:
        return replace(reading, boxes=choices.boxes)
    largest = float(np.abs(boxes).max())
    unit = "normalised" if largest <= LARGEST_NORMALISED else "pixels"
    note = f"box coordinates up to {largest:.4g} are taken for {unit} (--boxes decides)"
    return replace(reading, boxes="normalised" if unit == "normalised" else "pixels", notes=(*reading.notes, note))


def _check_corners(boxes: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    ordered = (boxes[..., 2:] >= boxes[..., :2]).all(axis=-1)
    if ordered.mean() < 0.99:
        raise Misfit("boxes end before they begin: they are not xyxy corners")
