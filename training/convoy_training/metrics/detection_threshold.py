"""From which score on objects are shown: where F1, the mean over the classes, is best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from convoy_training.metrics.precision import gather_matches

THRESHOLDS: NDArray[np.float64] = np.arange(1, 100) / 100


@dataclass(frozen=True)
class Curve:
    """F1 at IoU 0.5 [T,C] at `THRESHOLDS`; NaN for a class without an object."""

    f1: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean [T] over the classes that have objects; zeros if none has."""
        known = ~np.isnan(self.f1[0])
        return self.f1[:, known].mean(1) if known.any() else np.zeros(len(THRESHOLDS))

    def choose(self) -> float:
        """The threshold with the best mean: the middle one, if several in a row are equally good."""
        mean = self.mean
        best = np.flatnonzero(mean >= mean.max() - 1e-12)
        first = best[: 1 + int(np.argmax(np.append(np.diff(best) > 1, True)))]
        return float(THRESHOLDS[first[len(first) // 2]])


def measure_f1(evaluation: COCOeval) -> Curve:
    """The curve of an evaluation by `evaluate_boxes`; crowds and what is found in them do not count."""
    columns = []
    for matches in gather_matches(evaluation):
        objects = matches.objects.sum()
        shown = matches.scores[None] >= THRESHOLDS[:, None]
        right, wrong = ((shown & kind[0]).sum(1) for kind in (matches.right, matches.wrong))
        columns.append(2 * right / (right + wrong + objects) if objects else np.full(len(THRESHOLDS), np.nan))
    return Curve(np.stack(columns, axis=1))
