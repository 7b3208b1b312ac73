"""Classifiers that end in a tree whose leaves each have a number: anti-spoofing by deep tree learning."""

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
    check_classes,
    reading_of,
)
from convoy.importing.adapters.arithmetic import floats
from convoy.importing.sketch import Sketch


class Tree(Adapter):
    """Two outputs [N, K]: a number for each leaf, and a mask that is 1 at the leaf which the picture reached, else 0.

    The sum of |number| x mask, cut at 1, is the score of the second of two labels, which is the attack. Input: RGB,
    0 to 1. Source: Liu et al., Deep Tree Learning for Zero-shot Face Anti-Spoofing, CVPR 2019, as
    syaringan357/Android-MobileFaceNet-MTCNN-FaceAntiSpoofing reads it (FaceAntiSpoofing.leaf_score1).
    """

    name = "tree"
    task = Task.CLASSIFICATION
    layout = "numbers of leaves [N, K] and a mask [N, K] of the one that is reached; labels: first the low score's"
    preprocess = "zero-one"
    resize: Resize = "stretch"
    stride = 1

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the two outputs; the mask is the one that has a single 1 for each picture, and zeros."""
        shapes = [array.shape for array in probe.outputs.values()]
        if len(shapes) != 2 or shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][1] < 2:
            raise WrongShapeError("its outputs are not two of [N, K]")
        check_classes(2, choices)
        masks = [name for name in probe.outputs if _is_mask(probe, name)]
        if len(masks) != 1:
            raise Misfit("not exactly one of its two outputs is 1 in one place and 0 in the others")
        leaves = next(name for name in probe.outputs if name != masks[0])
        note = f"{leaves} has the numbers of the leaves, {masks[0]} says which is reached"
        return replace(reading_of(probe, [leaves, masks[0]]), notes=(note,))

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """One minus the score, and the score."""
        leaves, mask = values
        reached = sketch.op("Mul", sketch.op("Abs", leaves), mask)
        total = sketch.op("MatMul", reached, sketch.constant(np.ones((reading.shapes[0][1], 1), np.float32)))
        score = sketch.op("Clip", total, 0.0, 1.0)
        return {"probabilities": sketch.concat([sketch.op("Sub", 1.0, score), score], axis=1)}

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """One minus the score, and the score."""
        leaves, mask = (floats(value).reshape(1, -1) for value in values)
        score = np.abs(leaves[mask > 0.5]).sum().clip(0, 1)
        return {"probabilities": np.array([[1 - score, score]], np.float32)}


def _is_mask(probe: Probe, name: str) -> bool:
    rows = probe.every(name)
    return bool(np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all())
