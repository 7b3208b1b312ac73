"""How often a classifier is right: overall, among its first five answers, and class by class."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.bootstrap import Interval, bootstrap

TOP = 5
MOST_CLASSES = 100
"""With more classes, the recall of each is in the report alone."""


class Measured(NamedTuple):
    """A number with its 95 % interval, from `n` pictures."""

    value: float
    interval: Interval
    n: int


def measure_interval(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of the share of `right` answers among `n` (Wilson 1927)."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def measure_share(right: int, n: int) -> Measured:
    """A share of right answers."""
    return Measured(right / n, measure_interval(right, n), n)


def measure_answers(
    probabilities: NDArray[np.floating], first: NDArray[np.integer], labels: NDArray[np.int64], classes: tuple[str, ...]
) -> dict[str, Measured]:
    """`top1_accuracy`, with more than five classes `top5_accuracy`, `macro_f1`, and `recall_<class>` of each class.

    probabilities: [N,C]; first: the answers [N]. A class without a picture is not measured, and does not count in the
    mean of F1.
    """
    count, size = len(labels), len(classes)
    measured = {"top1_accuracy": measure_share(int(np.sum(first == labels)), count)}
    if size > TOP:
        best = np.argpartition(-probabilities, TOP - 1, axis=1)[:, :TOP]
        measured["top5_accuracy"] = measure_share(int((best == labels[:, None]).any(1).sum()), count)
    pairs = labels * size + first
    shown = np.bincount(labels, minlength=size) > 0

    def measure(rows: NDArray[np.integer]) -> dict[str, float]:
        counts = np.bincount(pairs[rows], minlength=size * size).reshape(size, size)
        return {"macro_f1": measure_macro_f1(counts, shown)}

    samples = 500 if size <= MOST_CLASSES else 100
    macro = measure(np.arange(count))["macro_f1"]
    measured["macro_f1"] = Measured(macro, bootstrap(measure, count, samples=samples)["macro_f1"], count)
    for number, name in enumerate(classes if size <= MOST_CLASSES else ()):
        if shown[number]:
            own = labels == number
            measured[f"recall_{name}"] = measure_share(int(np.sum(first[own] == number)), int(own.sum()))
    return measured


def measure_macro_f1(counts: NDArray[np.int64], shown: NDArray[np.bool_]) -> float:
    """The mean F1 over the classes `shown` [C], of counts [C,C] by true class (rows) and answer (columns)."""
    hits = counts.diagonal()
    f1 = 2 * hits / np.maximum(counts.sum(0) + counts.sum(1), 1)
    return float(f1[shown].mean())


def measure_counts(counts: NDArray[np.int64], classes: tuple[str, ...], shown: NDArray[np.bool_]) -> dict[str, float]:
    """`top1_accuracy`, `macro_f1` and the recall of each class from counts [C,C] by true class and answer.

    The recall of a class without a picture among the counts is NaN; shown: as for `measure_macro_f1`.
    """
    sums = counts.sum(1)
    recalls = np.where(sums > 0, counts.diagonal() / np.maximum(sums, 1), np.nan).tolist()
    whole = {"top1_accuracy": float(counts.trace() / max(1, counts.sum())), "macro_f1": measure_macro_f1(counts, shown)}
    return whole | {f"recall_{name}": recall for name, recall in zip(classes, recalls, strict=True)}
