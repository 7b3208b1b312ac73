"""Detectors of the NanoDet-Plus kind: one output with classes and distributions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Adapter,
    Array,
    Choices,
    Misfit,
    Probe,
    Reading,
    Resize,
    WrongShapeError,
    read_one,
)
from convoy.importing.adapters.arithmetic import cell_points, floats
from convoy.importing.adapters.boxes import draw_count
from convoy.importing.adapters.detection.distribution import Grid
from convoy.importing.sketch import Sketch

GRID = Grid((8, 16, 32, 64), 0.0)


class NanodetPlus(Adapter):
    """One output [N, A, C + 4 x bins], strides 8, 16, 32, 64 one after another, one row a cell.

    The first C numbers are sigmoids, the rest distributions as in nanodet, but from the cell's upper left corner.
    Input: BGR normalised as for ImageNet, stretched. Source: RangiLyu/nanodet, nanodet/model/head/nanodet_plus_head.py.
    """

    name = "nanodet-plus"
    task = Task.DETECTION
    layout = "one output [N, A, C + 4 x bins], one row for each cell of strides 8, 16, 32, 64"
    preprocess = "imagenet-bgr"
    resize: Resize = "stretch"
    stride = 64

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the one output with one row for each cell and, after the classes, four equal parts."""
        cells = sum(probe.cells(stride) for stride in GRID.strides)
        what = f"[N, {cells}, C + 4 x bins]: one row for each cell of strides 8, 16, 32, 64"
        reading = read_one(probe, what, lambda shape: len(shape) == 3 and shape[1] == cells)
        rest = reading.shapes[0][2] - choices.classes
        if rest < 8 or rest % 4:
            problem = f"{reading.shapes[0][2]} numbers in a row"
            raise WrongShapeError(f"{problem} are not {choices.classes} classes and four equal parts")
        scores = probe.every(reading.outputs[0])[..., : choices.classes]
        if scores.min() < 0 or scores.max() > 1:
            raise Misfit("its first numbers are not between 0 and 1, so they are not probabilities of classes")
        return replace(reading, classes=choices.classes)

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Classes come first, then the levels, cell by cell."""
        rows, classes, width = values[0], reading.classes, reading.shapes[0][2]
        levels, first = [], sketch.constant(np.array([0], np.int64))
        for stride in GRID.strides:
            last = sketch.op("Add", first, draw_count(sketch, stride))
            level = sketch.op("Slice", rows, first, last, np.array([1], np.int64))
            levels.append(sketch.part(level, classes, 0, axis=2))
            first = last
        boxes = GRID.draw_boxes(sketch, levels, (width - classes) // 4)
        return {"boxes": boxes, "scores": sketch.part(rows, 0, classes, axis=2)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Cut into classes and levels."""
        rows = floats(values[0])
        counts = [len(cell_points(height, width, stride)) for stride in GRID.strides]
        levels = np.split(rows[..., reading.classes :], np.cumsum(counts)[:-1], axis=1)
        return {"boxes": GRID.decode_boxes(levels, height, width), "scores": rows[..., : reading.classes]}
