"""Whether one model is better than another on the same examples: paired intervals, and McNemar's exact test.

The intervals of two models overlap long before their difference is chance: both stumble over the same hard pictures.
So the difference itself is drawn again, both models on the same draw (paired percentile bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.bootstrap import Interval, bootstrap

Rows = NDArray[np.integer]
NOTHING = 5e-5
"""Smaller differences are shown as 0.0000, however sure they are."""


@dataclass(frozen=True)
class Resampled:
    """What a model reaches on any choice of `count` independent examples. measure: rows -> numbers by name.

    right: of a classifier, whether its answer to each example is right [count].
    """

    count: int
    measure: Callable[[Rows], Mapping[str, float]]
    right: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Difference:
    """One number of two models, and the 95 % interval of the second less the first."""

    name: str
    first: float
    second: float
    interval: Interval

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval[0] > 0 or self.interval[1] < 0

    @property
    def is_nothing(self) -> bool:
        """Whether the difference is none to the four digits that are shown, and that is no chance."""
        is_sure = self.is_clear or max(map(abs, self.interval)) < NOTHING
        return is_sure and abs(self.second - self.first) < NOTHING


def compare_paired(first: Resampled, second: Resampled, samples: int = 500) -> list[Difference]:
    """Every number that both have, each pair on the same draws. Both are measured on the same examples in one order."""
    everything = np.arange(first.count)
    ones, others = first.measure(everything), second.measure(everything)
    names = [name for name in ones if name in others]

    def measure(rows: Rows) -> dict[str, float]:
        one, other = first.measure(rows), second.measure(rows)
        return {name: other[name] - one[name] for name in names}

    intervals = bootstrap(measure, first.count, samples=samples)
    return [Difference(name, ones[name], others[name], intervals[name]) for name in names]


def mcnemar_p_value(lost: int, won: int) -> float:
    """The exact two-sided p-value of McNemar's test (1947), by the binomial distribution.

    lost, won: examples that the first, or the second, model alone has right.
    """
    fewer, count = min(lost, won), lost + won
    tail = sum(comb(count, k) for k in range(fewer + 1))
    return min(1.0, float(2 * Fraction(tail, 2**count)))
