"""Face embedders of the ArcFace kind."""

from collections.abc import Sequence

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Adapter, Array, Choices, Probe, Reading, Resize, WrongShapeError, read_one
from convoy.importing.adapters.arithmetic import floats
from convoy.importing.sketch import Sketch

SIDE = 112


class Arcface(Adapter):
    """Embeddings [N, D] of an aligned 112x112 face, of any length; the graph divides them by their length.

    Input: RGB, (pixel - 127.5) / 127.5. Source: insightface, recognition/arcface_torch (torch2onnx.py); Deng et al.,
    ArcFace, CVPR 2019.
    """

    name = "arcface"
    task = Task.FACE_EMBEDDING
    layout = "embeddings [N, D] of 112x112 faces"
    preprocess = "arcface"
    resize: Resize = "aligned"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output with this shape."""
        if (probe.height, probe.width) != (SIDE, SIDE):
            raise WrongShapeError(f"faces are aligned to {SIDE}x{SIDE}, but the input is {probe.height}x{probe.width}")
        return read_one(probe, "[N, D]", lambda shape: len(shape) >= 2 and 1 < max(shape[1:]) == np.prod(shape))

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Divide by the length."""
        size = int(np.prod(reading.shapes[0]))
        return {"embeddings": sketch.op("LpNormalization", sketch.reshape(values[0], 0, size), axis=1, p=2)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Length 1."""
        vector = floats(values[0]).reshape(1, -1)
        return {"embeddings": vector / np.linalg.norm(vector)}
