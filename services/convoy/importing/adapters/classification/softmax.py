"""Classifiers that end in probabilities."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
from convoy.importing.sketch import Sketch


class Softmax(Adapter):
    """Probabilities [N, C] that add up to 1, perhaps followed by axes of length 1; or [N, 1] for the second label.

    Source: the classifiers of the ONNX model zoo and of Keras, which keep softmax (or a sigmoid) as their last layer.
    """

    name = "softmax"
    task = Task.CLASSIFICATION
    layout = "probabilities [N, C] that add up to 1, or [N, 1] of the second of two labels"
    preprocess = "imagenet"
    resize: Resize = "center_crop"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output with this shape; its numbers must be probabilities."""
        reading = read_classes(probe, choices)
        if not are_probabilities(probe, reading, choices):
            raise Misfit("the numbers do not add up to 1: they are logits")
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """The same numbers; a single number p becomes 1 - p and p."""
        return {"probabilities": draw_both(sketch, sketch.reshape(values[0], 0, -1), reading)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """The same numbers; a single number p becomes 1 - p and p."""
        rows = floats(values[0]).reshape(1, -1)
        return {"probabilities": np.hstack([1 - rows, rows]) if rows.shape[1] == 1 else rows}


def read_classes(probe: Probe, choices: Choices) -> Reading:
    """Find the one output [1, C], perhaps followed by axes of length 1. Raises Misfit."""
    reading = read_one(probe, "[N, C]", lambda shape: len(shape) >= 2 and max(shape[1:]) == np.prod(shape))
    found = int(np.prod(reading.shapes[0]))
    if found == 1 and choices.classes == 1:
        raise Misfit("a single number decides between two classes: give both labels, first the one for a low number")
    check_classes(2 if found == 1 else found, choices)
    return reading


def are_probabilities(probe: Probe, reading: Reading, choices: Choices) -> bool:
    """Whether each picture's numbers lie between 0 and 1 and add up to 1; for a single number, whether it is a sigmoid.

    Raises Misfit if a single number may be either, and if each class has its own sigmoid.
    """
    name = reading.outputs[0]
    rows = probe.every(name).reshape(len(probe.seen), -1)
    inside = bool(rows.min() >= 0 and rows.max() <= 1 + 1e-3)
    if rows.shape[1] > 1:
        adds_up = bool(np.abs(rows.sum(axis=1) - 1).max() < 1e-2)
        if choices.scores is None and not adds_up:
            _check_logits(rows, inside, probe.ends.get(name) == "Sigmoid")
        elif inside and not adds_up and probe.ends.get(name) == "Sigmoid" and choices.scores != "logits":
            raise Misfit("each class has its own probability, but Convoy's classifiers choose one class")
        return inside and adds_up
    if choices.scores is not None:
        return choices.scores == "probabilities"
    if inside and probe.ends.get(name) != "Sigmoid":
        raise Misfit("its single number may be a probability or a logit; choose with --scores probabilities or logits")
    return inside


def _check_logits(rows: npt.NDArray[np.float32], inside: bool, ends_in_sigmoid: bool) -> None:
    """Raise Misfit for rows whose softmax would be wrong: they are no logits."""
    if inside and ends_in_sigmoid:
        raise Misfit("each class has its own probability, but Convoy's classifiers choose one class")
    if inside:
        raise Misfit("all numbers lie between 0 and 1 but do not add up to 1: if they are logits, say --scores logits")
    sums = rows.sum(axis=1)
    if rows.min() >= 0 and np.ptp(sums) < 1e-2 * sums.mean():
        raise Misfit(f"the numbers are never negative and add up to {sums.mean():.4g}: probabilities on another scale")


def draw_both(sketch: Sketch, rows: str, reading: Reading) -> str:
    """Complete a single probability [N, 1] to two, [N, 2]; leave several unchanged."""
    if np.prod(reading.shapes[0]) != 1:
        return rows
    return sketch.concat([sketch.op("Sub", 1.0, rows), rows], axis=1)
