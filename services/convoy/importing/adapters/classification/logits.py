"""Classifiers that end in a linear layer."""

from collections.abc import Sequence

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Adapter, Array, Choices, Misfit, Probe, Reading, Resize
from convoy.importing.adapters.arithmetic import floats, sigmoid, softmax
from convoy.importing.adapters.classification.softmax import are_probabilities, draw_both, read_classes
from convoy.importing.sketch import Sketch


class Logits(Adapter):
    """Unnormalised log-probabilities [N, C], perhaps followed by axes of length 1; their softmax is the probabilities.

    A single number, [N, 1], decides between two labels: its sigmoid is the probability of the second. Source:
    torchvision.models and timm, whose classifiers return the last linear layer's output.
    """

    name = "logits"
    task = Task.CLASSIFICATION
    layout = "logits [N, C], or [N, 1] of the second of two labels"
    preprocess = "imagenet"
    resize: Resize = "center_crop"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output with this shape; its numbers must not be probabilities already."""
        reading = read_classes(probe, choices)
        if are_probabilities(probe, reading, choices):
            raise Misfit("the numbers add up to 1: they are probabilities already")
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Softmax over the classes; the sigmoid of a single number."""
        rows = sketch.reshape(values[0], 0, -1)
        if np.prod(reading.shapes[0]) == 1:
            return {"probabilities": draw_both(sketch, sketch.op("Sigmoid", rows), reading)}
        return {"probabilities": sketch.op("Softmax", rows, axis=1)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Softmax over the classes; a single number is a logit beside 0."""
        rows = floats(values[0]).reshape(1, -1)
        if rows.shape[1] == 1:
            return {"probabilities": np.hstack([sigmoid(-rows), sigmoid(rows)])}
        return {"probabilities": softmax(rows)}
