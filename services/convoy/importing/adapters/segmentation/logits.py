"""Segmenters that give a number for each class and pixel."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Adapter,
    Array,
    Choices,
    Misfit,
    Probe,
    Reading,
    Resize,
    Scores,
    WrongShapeError,
    check_classes,
    read_one,
)
from convoy.importing.adapters.arithmetic import floats, resize_planes
from convoy.importing.adapters.scores import SLACK
from convoy.importing.sketch import Sketch

CUT: dict[Scores, float] = {"logits": 0.0, "probabilities": 0.5}


class Logits(Adapter):
    """Logits or probabilities [N, C, h, w], or channels last [N, h, w, C]; the largest wins.

    With one channel and two labels, the second label is where a logit is above 0, a probability above 0.5, or either
    above --cut. If h, w are smaller than the input, the graph first resizes them to it, bilinearly with half-pixel
    centres, as torchvision's models do themselves (interpolate, align_corners=False). Source: torchvision;
    segmentation_models.pytorch, which gives one channel for binary masks; TensorFlow's exports, with channels last.
    """

    name = "logits"
    task = Task.SEGMENTATION
    layout = "logits or probabilities [N, C, h, w] or [N, h, w, C]; with one channel for two classes"
    preprocess = "imagenet"
    resize: Resize = "stretch"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output of floats with four axes, and the axis of the classes."""
        floating = {name for name, array in probe.outputs.items() if np.issubdtype(array.dtype, np.floating)}
        kept = tuple(
            replace(one, outputs={name: array for name, array in one.outputs.items() if name in floating})
            for one in probe.seen
        )
        what = "float [N, C, h, w] or [N, h, w, C]"
        reading = read_one(replace(probe, seen=kept), what, lambda shape: len(shape) == 4)
        reading = replace(reading, channels_last=_channels_last(reading.shapes[0], choices))
        return _read_cut(reading, probe, choices) if _channels(reading) == 1 else reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Resize, then take the largest."""
        planes = sketch.op("Transpose", values[0], perm=[0, 3, 1, 2]) if reading.channels_last else values[0]
        planes = planes if _sides(reading) == sketch.size else _draw_resized(sketch, planes)
        if _channels(reading) == 1:
            winner = sketch.part(sketch.op("Greater", planes, reading.cut), 0, 1, axis=1)
            classes = sketch.reshape_to(
                sketch.cast(winner, TensorProto.UINT8), sketch.batch, sketch.height, sketch.width
            )
        else:
            classes = sketch.cast(sketch.op("ArgMax", planes, axis=1, keepdims=0), TensorProto.UINT8)
        return {"class_map": classes}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Plane by plane."""
        planes = floats(values[0])[0]
        planes = resize_planes(np.moveaxis(planes, 2, 0) if reading.channels_last else planes, height, width)
        if len(planes) == 1:
            above = planes - reading.cut
            return {"class_map": (above > 0).astype(np.uint8), "margin": np.abs(above)}
        first, second = np.sort(planes, axis=0)[:-3:-1]
        return {"class_map": planes.argmax(axis=0)[None].astype(np.uint8), "margin": (first - second)[None]}


def _channels_last(shape: tuple[int, ...], choices: Choices) -> bool:
    """Find the axis of the classes: the second if its length fits, or else the last. Raises Misfit."""

    def fits(channels: int) -> bool:
        # One channel says foreground or background, which are two classes, however many labels there are.
        return choices.classes == 2 if channels == 1 else channels == choices.classes

    if fits(shape[1]):
        return False
    if fits(shape[3]):
        return True
    if 1 in (shape[1], shape[3]):
        raise WrongShapeError(
            "its one channel decides between two classes: give both labels, first the one for a low number"
        )
    check_classes(min(shape[1], shape[3]), choices)
    raise AssertionError("unreachable: one of the two fits")


def _read_cut(reading: Reading, probe: Probe, choices: Choices) -> Reading:
    """Note what one channel's numbers are: what the user says, or else probabilities if all lie between 0 and 1."""
    if choices.scores is not None or choices.cut is not None:
        said = choices.scores or "probabilities"
        return replace(reading, scores=said, cut=CUT[said] if choices.cut is None else choices.cut)
    numbers = probe.every(reading.outputs[0])
    if numbers.min() >= 0 and numbers.max() > 1 + SLACK:
        span = f"numbers lie between {numbers.min():.3g} and {numbers.max():.3g}"
        raise Misfit(f"{span}: neither probabilities nor logits; say above which number is foreground with --cut")
    inside = bool(numbers.min() >= 0 and numbers.max() <= 1)
    seen = f"numbers lie between {numbers.min():.3g} and {numbers.max():.3g}, so they count as "
    note = seen + ("probabilities, cut at 0.5" if inside else "logits, cut at 0") + " (--scores decides)"
    scores: Scores = "probabilities" if inside else "logits"
    return replace(reading, scores=scores, cut=CUT[scores], notes=(*reading.notes, note))


def _channels(reading: Reading) -> int:
    return reading.shapes[0][3 if reading.channels_last else 1]


def _sides(reading: Reading) -> tuple[int, ...]:
    return reading.shapes[0][1:3] if reading.channels_last else reading.shapes[0][2:]


def _draw_resized(sketch: Sketch, planes: str) -> str:
    kept = sketch.part(sketch.op("Shape", planes), 0, 2, axis=0)
    sizes = sketch.concat([kept, sketch.height, sketch.width], axis=0)
    nothing = np.zeros(0, np.float32)
    half_pixel = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return sketch.op("Resize", planes, nothing, nothing, sizes, **half_pixel)
