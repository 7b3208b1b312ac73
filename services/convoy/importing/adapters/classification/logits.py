"""Classifiers that end in a linear layer."""

from collections.abc import Sequence

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Choices, Misfit, Probe, Reading, Resize
from convoy.importing.adapters.classification.softmax import are_probabilities, read_classes
from convoy.importing.sketch import Sketch


class Logits:
    """Unnormalised log-probabilities [N, C], perhaps with lengths of 1 behind: softmax makes them probabilities.

    Source: torchvision.models and timm, whose classifiers return the last linear layer's output.
    """

    name = "logits"
    task = Task.CLASSIFICATION
    layout = "logits [N, C]"
    preprocess = "imagenet"
    resize: Resize = "center_crop"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output of that shape; its numbers must not be probabilities already."""
        reading = read_classes(probe, choices)
        if are_probabilities(probe, reading):
            raise Misfit("the numbers add up to 1: they are probabilities already")
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Softmax over the classes."""
        return {"probabilities": sketch.op("Softmax", sketch.reshape(values[0], 0, -1), axis=1)}
