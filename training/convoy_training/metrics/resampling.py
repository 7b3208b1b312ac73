"""True match rates at false match rates, with intervals that allow for pairs that share people.

One person is in many pairs, so pairs are not independent. The bootstrap draws people instead. A pair of two people
counts as often as the product of their draws, a pair of one person as often as that person is drawn (Bolle, Ratha and
Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap", Computer Vision and Image
Understanding 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.bootstrap import Interval, bootstrap

SAMPLES = 200

Floats = NDArray[np.floating]
Rows = NDArray[np.integer]


@dataclass(frozen=True)
class Comparisons:
    """Pairs in any order: similarities [P], the people `first` [P] and `second` [P], whether they are the `same`."""

    similarities: Floats
    first: NDArray[np.integer]
    second: NDArray[np.integer]
    same: NDArray[np.bool_]

    @property
    def genuine(self) -> Floats:
        """The similarities of pairs of one person."""
        return self.similarities[self.same]

    @property
    def impostors(self) -> Floats:
        """The similarities of pairs of two people."""
        return self.similarities[~self.same]


@dataclass(frozen=True)
class Rate:
    """The share of genuine pairs at or above `threshold`, which at most `false_match_rate` of the impostors reach."""

    false_match_rate: float
    threshold: float
    true_match_rate: float
    interval: Interval


def compare_all(vectors: Floats, people: NDArray[np.integer]) -> Comparisons:
    """Compares every pair of faces, from unit embeddings [N,D] and people [N]."""
    rows, columns = np.triu_indices(len(people), 1)
    first, second = people[rows].astype(np.int32), people[columns].astype(np.int32)
    return Comparisons((vectors @ vectors.T)[rows, columns], first, second, first == second)


class Resampled:
    """Pairs that count as often as their people are drawn, sorted once for all draws."""

    def __init__(self, pairs: Comparisons) -> None:
        order = np.argsort(-pairs.impostors, kind="stable")
        self.genuine, self.impostors = pairs.genuine, pairs.impostors[order]
        self.people = int(max(pairs.first.max(), pairs.second.max())) + 1
        self.own = pairs.first[pairs.same], pairs.second[pairs.same]
        self.sides = pairs.first[~pairs.same][order], pairs.second[~pairs.same][order]
        met, self.counts = np.unique(self.sides[0] * np.int64(self.people) + self.sides[1], return_counts=True)
        self.met = np.divmod(met, self.people)  # who was compared with whom; counts say how often
        self.rising = np.argsort(self.genuine, kind="stable")
        self.above = np.searchsorted(-self.impostors, -self.genuine[self.rising], side="right")

    def draw(self, people: NDArray[np.integer]) -> Draw:
        """The pairs, weighted for a draw of people, who may occur several times."""
        return Draw(self, np.bincount(people, minlength=self.people).astype(np.float64))


@dataclass(frozen=True)
class Draw:
    """One draw; times [people]: how often each person was drawn."""

    pairs: Resampled
    times: NDArray[np.float64]

    @property
    def weights(self) -> Floats:
        """How often each genuine pair counts."""
        return _count(*self.pairs.own, self.times)

    def find_threshold(self, false_match_rate: float) -> float:
        """The lowest threshold at the rate: just above the first impostor pair that would exceed it."""
        falling, (first, second) = self.pairs.impostors, self.pairs.sides
        one, other = self.pairs.met
        most = false_match_rate * float((self.pairs.counts * self.times[one] * self.times[other]).sum()) + 1e-9
        # Only the most similar pairs matter. Start with twice as many as the rate admits if everybody is drawn once.
        count = 2 * int(false_match_rate * len(falling)) + 1000
        while True:
            mass = np.cumsum(self.times[first[:count]] * self.times[second[:count]])
            if count >= len(falling) or mass[-1] > most:
                break
            count *= 2
        admitted = int(np.searchsorted(mass, most, side="right"))
        return float(np.nextafter(falling[min(admitted, len(falling) - 1)], np.inf, dtype=falling.dtype))

    def measure_true_match_rate(self, threshold: float, chosen: NDArray[np.bool_] | None = None) -> float:
        """The share of genuine pairs, or of the `chosen` [G], at or above the threshold; NaN if none was drawn."""
        weights = self.weights if chosen is None else self.weights * chosen
        total = float(weights.sum())
        return float(weights[self.pairs.genuine >= threshold].sum()) / total if total else float("nan")

    def measure_equal_error_rate(self) -> float:
        """The error rate at which false matches and false non-matches are equal, at the nearest genuine similarity."""
        weights, (first, second) = self.weights[self.pairs.rising], self.pairs.sides
        mass = np.concatenate([[0.0], np.cumsum(self.times[first] * self.times[second])])
        if not mass[-1] or not weights.sum():
            return float("nan")
        matched = mass[self.pairs.above] / mass[-1]
        missed = (np.cumsum(weights) - weights) / weights.sum()
        crossing = int(np.argmin(np.abs(matched - missed)))
        return float(matched[crossing] + missed[crossing]) / 2


def measure_rates(pairs: Comparisons, rates: Sequence[float], *, samples: int = SAMPLES) -> Iterator[tuple[Rate, int]]:
    """The true match rate at each false match rate that the impostor pairs can show, with the number of all pairs.

    A rate is left out if less than one pair of strangers would pass. The 95 % intervals resample people, and find the
    threshold again in each draw.
    """
    resampled = Resampled(pairs)
    possible = [rate for rate in rates if rate * len(resampled.impostors) >= 1]

    def measure(people: NDArray[np.integer]) -> dict[float, float]:
        draw = resampled.draw(people)
        return {rate: draw.measure_true_match_rate(draw.find_threshold(rate)) for rate in possible}

    intervals = bootstrap(measure, resampled.people, samples=samples)
    everybody = resampled.draw(np.arange(resampled.people))
    for rate in possible:
        threshold = everybody.find_threshold(rate)
        value = everybody.measure_true_match_rate(threshold)
        yield Rate(rate, threshold, value, intervals[rate]), len(pairs.similarities)


def resample_pairs(
    measure: Callable[[Rows], Mapping[str, float]],
    people: tuple[Rows, Rows],
    same: NDArray[np.bool_],
    folds: NDArray[np.integer],
    samples: int = SAMPLES,
) -> dict[str, Interval]:
    """95 % intervals of the numbers that `measure` gives for rows of listed pairs, by resampling their people [P], [P].

    A draw does not count if one kind of pairs is missing, or if all pairs are of one fold.
    """
    names, numbers = np.unique(people, return_inverse=True)
    first, second = numbers.reshape(2, -1)
    undefined = dict.fromkeys(measure(np.arange(len(same))), float("nan"))

    def measure_draw(drawn: Rows) -> Mapping[str, float]:
        times = np.bincount(drawn, minlength=len(names))
        rows = np.repeat(np.arange(len(same)), _count(first, second, times))
        judged = all(len(np.unique(values[rows])) > 1 for values in (same, folds))
        return measure(rows) if judged else undefined

    return bootstrap(measure_draw, len(names), samples=samples)


def _count(first: Rows, second: Rows, times: NDArray[Any]) -> NDArray[Any]:
    return np.where(first == second, times[first], times[first] * times[second])
