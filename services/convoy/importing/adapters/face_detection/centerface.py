"""Face detectors of the CenterFace kind."""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Adapter,
    Array,
    Choices,
    Probe,
    Reading,
    Resize,
    WrongShapeError,
    reading_of,
)
from convoy.importing.adapters.arithmetic import Floats, floats
from convoy.importing.adapters.boxes import draw_cells
from convoy.importing.sketch import Sketch

STRIDE = 4


class Centerface(Adapter):
    """Four maps at stride 4: heatmap [N, 1, h, w], sizes and offsets [N, 2, h, w], landmarks [N, 10, h, w].

    In each, y comes before x, and sizes come before offsets among the outputs. Size = exp(raw) x 4; centre = (cell +
    offset + 0.5) x 4. A box begins at centre - size / 2, clipped to the input, and has its size unless the input ends
    before; landmark = box's beginning + raw x size. The heatmap is a sigmoid. Input: RGB 0 to 255, sides multiples of
    32. Source: Star-Clouds/CenterFace, prj-python/centerface.py; Xu et al., CenterFace, 2019.
    """

    name = "centerface"
    task = Task.FACE_DETECTION
    layout = "at stride 4: heatmap [N, 1, h, w], sizes and offsets [N, 2, h, w], landmarks [N, 10, h, w]"
    preprocess = "raw"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the four maps by their channels."""
        sides = (-(-probe.height // STRIDE), -(-probe.width // STRIDE))
        maps = {name: array.shape[1] for name, array in probe.outputs.items() if array.shape[2:] == sides}
        if len(probe.outputs) != 4 or sorted(maps.values()) != [1, 2, 2, 10]:
            raise WrongShapeError(f"the outputs are not four maps {sides[0]}x{sides[1]} of 1, 2, 2 and 10 channels")
        return reading_of(probe, sorted(maps, key=lambda name: maps[name]))

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Boxes and landmarks of all cells."""
        heat, raw_sizes, offsets, raw_marks = (_draw_rows(sketch, value) for value in values)
        sizes = sketch.op("Mul", sketch.op("Exp", sketch.take(raw_sizes, 1, 0, axis=2)), float(STRIDE))
        moved = sketch.op("Mul", sketch.take(offsets, 1, 0, axis=2), float(STRIDE))
        middles = sketch.op("Add", draw_cells(sketch, STRIDE, 1, offset=0.5), moved)
        ends = sketch.cast(sketch.concat([sketch.width, sketch.height], axis=0), TensorProto.FLOAT)
        start = sketch.op("Sub", middles, sketch.op("Mul", sizes, 0.5))
        start = sketch.op("Min", sketch.op("Max", start, 0.0), ends)
        end = sketch.op("Min", sketch.op("Add", start, sizes), ends)
        reach = sketch.op("Mul", sketch.take(raw_marks, *XY, axis=2), sketch.concat([sizes] * 5, axis=2))
        marks = sketch.op("Add", reach, sketch.concat([start] * 5, axis=2))
        return {
            "boxes": sketch.concat([start, end], axis=2),
            "scores": heat,
            "landmarks": sketch.reshape(marks, 0, -1, 5, 2),
        }

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Map by map, then flattened."""
        heat, raw_sizes, offsets, marks = (floats(value)[0] for value in values)
        rows, columns = np.mgrid[: heat.shape[1], : heat.shape[2]]
        high, wide = np.exp(raw_sizes) * STRIDE
        left = np.clip((columns + offsets[1] + 0.5) * STRIDE - wide / 2, 0, width)
        top = np.clip((rows + offsets[0] + 0.5) * STRIDE - high / 2, 0, height)
        boxes = [left, top, np.minimum(left + wide, width), np.minimum(top + high, height)]
        points = [(marks[2 * one + 1] * wide + left, marks[2 * one] * high + top) for one in range(5)]
        flat: Floats = np.stack([np.stack(point, axis=-1) for point in points], axis=-2).reshape(-1, 5, 2)
        return {
            "boxes": np.stack(boxes, axis=-1).reshape(1, -1, 4),
            "scores": heat.reshape(1, -1, 1),
            "landmarks": flat[None],
        }


XY = (1, 0, 3, 2, 5, 4, 7, 6, 9, 8)
"""Swap the landmarks' numbers so that x comes before y."""


def _draw_rows(sketch: Sketch, planes: str) -> str:
    """Reshape [N, C, h, w] to [N, cells, C]."""
    last = sketch.op("Transpose", planes, perm=[0, 2, 3, 1])
    channels = sketch.part(sketch.op("Shape", last), 3, 4, axis=0)
    return sketch.reshape_to(last, sketch.batch, -1, channels)
