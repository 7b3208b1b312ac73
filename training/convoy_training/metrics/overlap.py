"""How well class maps agree with the truth: intersection over union (Everingham et al. 2010).

All measures take counts [C,C] of pixels, by true class (rows) and predicted class (columns).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def count_pixels(predicted: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int, ignore: int) -> Counts:
    """Counts [C,C] of one pair of maps of the same shape, without pixels whose truth is `ignore`."""
    known = truth != ignore
    pairs = truth[known].astype(np.int64) * classes + predicted[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def measure_iou(counts: Counts) -> NDArray[np.float64]:
    """The IoU of each class; NaN for a class that neither occurs nor is predicted."""
    hit = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - hit
    return np.where(union > 0, hit / np.maximum(union, 1), np.nan)


def measure_mean_iou(counts: Counts) -> float:
    """The mean IoU over the classes that occur or are predicted."""
    return float(np.nanmean(measure_iou(counts)))


def measure_accuracy(counts: Counts) -> float:
    """The share of counted pixels that are right."""
    return float(counts.diagonal().sum() / max(1, counts.sum()))
