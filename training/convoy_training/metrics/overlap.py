"""How well class maps agree with the truth: intersection over union (Everingham et al. 2010)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Confusion:
    """Counts of pixels by true class (rows) and predicted class (columns), over a whole split."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, predicted: NDArray[np.uint8], truth: NDArray[np.uint8], ignore: int) -> None:
        """Counts one pair of maps of the same shape; pixels whose truth is `ignore` do not count."""
        classes = len(self.counts)
        known = truth != ignore
        pairs = truth[known].astype(np.int64) * classes + predicted[known]
        self.counts += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    def measure_iou(self) -> NDArray[np.float64]:
        """Per class; NaN where a class neither occurs nor is predicted."""
        hit = self.counts.diagonal()
        union = self.counts.sum(0) + self.counts.sum(1) - hit
        return np.where(union > 0, hit / np.maximum(union, 1), np.nan)

    def measure_mean_iou(self) -> float:
        """The mean over the classes that occur."""
        return float(np.nanmean(self.measure_iou()))

    def measure_accuracy(self) -> float:
        """The share of known pixels that are right."""
        return float(self.counts.diagonal().sum() / max(1, self.counts.sum()))
