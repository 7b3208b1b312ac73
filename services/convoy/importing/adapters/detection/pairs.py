"""Reads detectors with boxes in one output and scores in another: finds out what the boxes' numbers mean."""

import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from convoy.importing.adapters.adapter import (
    Array,
    Boxes,
    Choices,
    Form,
    Misfit,
    Probe,
    Reading,
    Shape,
    WrongShapeError,
)
from convoy.importing.adapters.arithmetic import Floats, around, floats
from convoy.importing.adapters.boxes import draw_corners
from convoy.importing.sketch import Sketch

LARGEST_NORMALISED = 2.0
"""Largest coordinate of normalised boxes: they may reach a little beyond the picture."""
_YX = re.compile(r"detection_(boxes|scores|multiclass_scores|classes|anchor_indices)")
"""Names of the outputs of TensorFlow's object detection API."""
CERTAIN = 0.99
INSIDE = 0.95
BEYOND = 0.1
"""How far beyond the picture a box may reach, as a share of its sides."""
CENTRES_BY_NAME = ("pred_boxes", "dets")
"""Names that DETR and its successors give to outputs with centres and sizes."""


def read_boxes_and_scores(probe: Probe) -> list[str]:
    """Find the names of two outputs, boxes [1, A, 4] and scores [1, A, any]. Raises Misfit.

    If both have 4 numbers, the boxes are the output with "box" in its name, or else the first.
    """
    shapes: dict[str, Shape] = {name: array.shape for name, array in probe.outputs.items()}
    picked = [array for array in probe.outputs.values() if array.ndim <= 2 and np.issubdtype(array.dtype, np.integer)]
    if any(_YX.search(name) for name in shapes):
        raise WrongShapeError(
            "boxes of TensorFlow's detection API have y before x, and suppression is already applied: export the model "
            "to ONNX from another library"
        )
    if picked or (len(shapes) == 3 and sorted(len(shape) for shape in shapes.values()) == [1, 1, 2]):
        raise WrongShapeError(
            "suppression has already been applied to boxes, labels and scores of one picture; export the network's head"
        )
    names = sorted(shapes, key=lambda name: (shapes[name][-1:] != (4,), "box" not in name.lower()))
    fits = len(names) == 2 and all(len(shape) == 3 for shape in shapes.values())
    if not fits or shapes[names[0]][2] != 4 or shapes[names[0]][1] != shapes[names[1]][1]:
        raise WrongShapeError("the outputs are not two, [N, A, 4] and [N, A, C]")
    return names


def find_best(probe: Probe) -> list[str] | None:
    """Find the names of boxes [1, Q, 4], labels [1, Q] in whole numbers and scores [1, Q], if these are the outputs."""
    boxes = [name for name, array in probe.outputs.items() if array.ndim == 3 and array.shape[2] == 4]
    flat = {name: array for name, array in probe.outputs.items() if array.ndim == 2}
    if len(probe.outputs) != 3 or len(boxes) != 1 or len(flat) != 2:
        return None
    if any(array.shape != probe.outputs[boxes[0]].shape[:2] for array in flat.values()):
        return None
    whole = [name for name, array in flat.items() if np.issubdtype(array.dtype, np.integer)]
    scores = [name for name in flat if name not in whole]
    return [*boxes, *whole, *scores] if len(whole) == 1 else None


def read_unit(reading: Reading, boxes: npt.NDArray[np.float32], choices: Choices) -> Reading:
    """Note whether boxes [..., 4] are shares of the input or pixels: by the user's word, or else by their range."""
    if choices.boxes is not None:
        return replace(reading, boxes=choices.boxes)
    largest = float(np.abs(boxes).max())
    unit: Boxes = "normalised" if largest <= LARGEST_NORMALISED else "pixels"
    note = f"box coordinates reach {largest:.4g}, so they count as {unit} (--boxes decides)"
    return replace(reading, boxes=unit, notes=(*reading.notes, note))


def tell_form(
    name: str, boxes: npt.NDArray[np.float32], reading: Reading, probe: Probe, choices: Choices
) -> Form | None:
    """Decide between corners and centres by the user's word, the numbers, or the output's name; None if none tells.

    A box of corners ends after it begins; a box around a centre lies in the picture. Large boxes around the middle do
    both. Raises Misfit if they do neither.
    """
    if choices.form is not None:
        return choices.form
    sides = np.array([1, 1] if reading.boxes == "normalised" else [probe.width, probe.height], np.float32)
    start, end = boxes[..., :2] / sides, boxes[..., 2:] / sides
    are_corners = float((end >= start).all(axis=-1).mean()) >= CERTAIN
    centred = (start - end / 2 >= -BEYOND) & (start + end / 2 <= 1 + BEYOND) & (end >= 0)
    are_centres = float(centred.all(axis=-1).mean()) >= INSIDE
    if not are_corners and not are_centres:
        raise Misfit(
            "boxes are neither xyxy corners (they end before they begin) nor centres (they would leave the input)"
        )
    if are_corners and are_centres:
        return "centres" if name.lower().endswith(CENTRES_BY_NAME) else None
    return "corners" if are_corners else "centres"


def draw_boxes(sketch: Sketch, boxes: str, reading: Reading) -> str:
    """Draw corners in pixels."""
    if reading.form == "centres":
        boxes = draw_corners(sketch, sketch.part(boxes, 0, 2, axis=2), sketch.part(boxes, 2, 4, axis=2))
    if reading.boxes == "pixels":
        return boxes
    sides = sketch.concat([sketch.width, sketch.height, sketch.width, sketch.height], axis=0)
    return sketch.op("Mul", boxes, sketch.cast(sides, TensorProto.FLOAT))


def decode_boxes(boxes: Array, height: int, width: int, reading: Reading) -> Floats:
    """Do the same in NumPy."""
    numbers = floats(boxes)
    corners = around(numbers[..., :2], numbers[..., 2:]) if reading.form == "centres" else numbers
    return corners * [width, height, width, height] if reading.boxes == "normalised" else corners
