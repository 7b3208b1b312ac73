"""Detectors of the NanoDet kind: classes and distributions of distances, in two outputs for each stride."""

from collections.abc import Sequence

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Adapter,
    Array,
    Choices,
    PadAt,
    Probe,
    Reading,
    Resize,
    WrongShapeError,
    reading_of,
)
from convoy.importing.adapters.arithmetic import floats
from convoy.importing.adapters.detection.distribution import Grid
from convoy.importing.adapters.scores import decode_scores, draw_scores, read_scores
from convoy.importing.sketch import Sketch


class Nanodet(Adapter):
    """For each stride 8, 16, 32 class scores [N, cells, C] and distributions [N, cells, 4 x bins].

    A side's distance is the mean of softmax(bins) over 0, 1, 2, ... times the stride, from the middle pixel of the
    cell, (column + 0.5) x stride - 0.5, as in the code published with the file; the training code has half a pixel
    more. Boxes end at the input's border. Scores are sigmoids or their logits. Input: BGR normalised as for
    ImageNet, padded evenly with black. Source: object_detection_nanodet of the OpenCV zoo; RangiLyu/nanodet,
    nanodet/model/head/gfl_head.py; Li et al., Generalized Focal Loss, NeurIPS 2020.
    """

    name = "nanodet"
    task = Task.DETECTION
    layout = "for each stride 8, 16, 32: scores [N, cells, C] and distributions of distances [N, cells, 4 x bins]"
    preprocess = "imagenet-bgr"
    resize: Resize = "letterbox"
    stride = 32
    pad_value = 0
    pad_at: PadAt = "both"
    grid = Grid((8, 16, 32), 0.5, less_px=0.5)

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find two outputs for each stride by their shapes."""
        scores, distances = [], []
        for stride in self.grid.strides:
            rows = probe.cells(stride)
            level = [name for name, array in probe.outputs.items() if array.shape[:2] == (1, rows) and array.ndim == 3]
            classes = [name for name in level if probe.outputs[name].shape[2] == choices.classes]
            sides = [name for name in level if name not in classes and probe.outputs[name].shape[2] % 4 == 0]
            if len(level) != 2 or len(classes) != 1 or len(sides) != 1:
                wanted = f"[N, {rows}, {choices.classes}] and [N, {rows}, 4 x bins]"
                raise WrongShapeError(f"stride {stride} needs {wanted} for this input")
            scores += classes
            distances += sides
        if len(probe.outputs) != 2 * len(self.grid.strides):
            raise WrongShapeError(f"it has {len(probe.outputs)} outputs, not two for each stride")
        reading = reading_of(probe, [*scores, *distances])
        return read_scores(reading, probe, scores[0], choices, "none")

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Boxes of all strides, then scores of all strides."""
        levels = len(self.grid.strides)
        boxes = self.grid.draw_boxes(sketch, values[levels:], reading.shapes[-1][2] // 4)
        return {"boxes": boxes, "scores": draw_scores(sketch, sketch.concat(values[:levels], axis=1), reading)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Boxes of all strides, scores of all strides."""
        levels = len(self.grid.strides)
        boxes = self.grid.decode_boxes([floats(value) for value in values[levels:]], height, width)
        return {"boxes": boxes, "scores": decode_scores(np.concatenate(values[:levels], axis=1), reading)}
