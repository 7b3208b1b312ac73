"""Segmenters that give a number for each class and pixel."""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Choices, Probe, Reading, Resize, check_classes, read_one
from convoy.importing.sketch import Sketch


class Logits:
    """Logits or probabilities [N, C, h, w]; the largest wins. One channel and two labels: above 0 is the second.

    Where h, w are less than the input's they are resized to it first, bilinearly with half-pixel centres, as
    torchvision.models.segmentation does it inside (interpolate, align_corners=False). Source: that, and
    segmentation_models.pytorch, which gives one channel for binary masks.
    """

    name = "logits"
    task = Task.SEGMENTATION
    layout = "logits [N, C, h, w], or [N, 1, h, w] for two classes"
    preprocess = "imagenet"
    resize: Resize = "stretch"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output of floats with four lengths."""
        floats = {name: array for name, array in probe.outputs.items() if np.issubdtype(array.dtype, np.floating)}
        reading = read_one(
            Probe(floats, probe.height, probe.width), "float [N, C, h, w]", lambda shape: len(shape) == 4
        )
        channels = reading.shapes[0][1]
        check_classes(2 if channels == 1 else channels, choices)
        return reading

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Resize, then take the largest."""
        logits = values[0] if reading.shapes[0][2:] == sketch.size else _draw_resized(sketch, values[0])
        if reading.shapes[0][1] == 1:
            winner = sketch.part(sketch.op("Greater", logits, 0.0), 0, 1, axis=1)
            classes = sketch.reshape_to(
                sketch.cast(winner, TensorProto.UINT8), sketch.batch, sketch.height, sketch.width
            )
        else:
            classes = sketch.cast(sketch.op("ArgMax", logits, axis=1, keepdims=0), TensorProto.UINT8)
        return {"class_map": classes}


def _draw_resized(sketch: Sketch, logits: str) -> str:
    kept = sketch.part(sketch.op("Shape", logits), 0, 2, axis=0)
    sizes = sketch.concat([kept, sketch.height, sketch.width], axis=0)
    nothing = np.zeros(0, np.float32)
    half_pixel = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return sketch.op("Resize", logits, nothing, nothing, sizes, **half_pixel)
