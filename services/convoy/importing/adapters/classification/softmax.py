"""Classifiers that end in probabilities."""

from collections.abc import Sequence

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Choices, Misfit, Probe, Reading, Resize, check_classes, read_one
from convoy.importing.sketch import Sketch


class Softmax:
    """Probabilities [N, C], perhaps with lengths of 1 behind, that add up to 1.

    Source: the classifiers of the ONNX model zoo and of Keras, which keep softmax as their last layer.
    """

    name = "softmax"
    task = Task.CLASSIFICATION
    layout = "probabilities [N, C] that add up to 1"
    preprocess = "imagenet"
    resize: Resize = "center_crop"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output of that shape; its numbers must be probabilities."""
        reading = read_classes(probe, choices)
        if not are_probabilities(probe, reading):
            raise Misfit("the numbers do not add up to 1: they are logits")
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """The same numbers."""
        return {"probabilities": sketch.reshape(values[0], 0, -1)}


def read_classes(probe: Probe, choices: Choices) -> Reading:
    """The one output [1, C], perhaps with lengths of 1 behind. Raises Misfit."""
    reading = read_one(probe, "[N, C]", lambda shape: len(shape) >= 2 and max(shape[1:]) == np.prod(shape))
    check_classes(int(np.prod(reading.shapes[0])), choices)
    return reading


def are_probabilities(probe: Probe, reading: Reading) -> bool:
    """Whether the numbers lie in 0 to 1 and add up to 1."""
    numbers = np.asarray(probe.outputs[reading.outputs[0]], np.float32)
    return bool(numbers.min() >= 0 and abs(numbers.sum() - 1) < 1e-2)
