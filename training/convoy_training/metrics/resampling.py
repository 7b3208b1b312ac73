"""True match rates at false match rates, with intervals that know that pairs share people.

One person is in many pairs, so pairs are not independent. The bootstrap draws people: a pair of two people counts as
often as both were drawn together, a pair of one person as often as that person was (Bolle, Ratha and Pankanti, "Error
analysis of pattern recognition systems: the subsets bootstrap", Computer Vision and Image Understanding 2004).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Comparisons:
    """Pairs in any order: similarity [P], and the people `first` [P] and `second` [P]; equal in a genuine pair."""

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
    """The share of genuine pairs at or above `threshold`, where at most `false_match_rate` of the impostors are."""

    false_match_rate: float
    threshold: float
    true_match_rate: float
    interval: tuple[float, float]


def compare_all(vectors: Floats, people: NDArray[np.integer]) -> Comparisons:
    """Every pair of faces, from unit embeddings [N,D] and people [N]."""
    rows, columns = np.triu_indices(len(people), 1)
    first, second = people[rows].astype(np.int32), people[columns].astype(np.int32)
    return Comparisons((vectors @ vectors.T)[rows, columns], first, second, first == second)


def measure_rates(
    pairs: Comparisons, rates: Sequence[float], *, samples: int = 200, seed: int = 0
) -> Iterator[tuple[Rate, int]]:
    """The true match rate at each false match rate that the impostor pairs can show, and how many pairs they are.

    A rate is left out where less than one pair of strangers would pass. interval: 95 %, people resampled.
    """
    order = np.argsort(-pairs.impostors, kind="stable")
    impostors = pairs.impostors[order]
    possible = [rate for rate in rates if rate * len(impostors) >= 1]
    drawn = np.empty((samples, len(possible)))
    random, people = np.random.default_rng(seed), int(max(pairs.first.max(), pairs.second.max())) + 1
    sides = [pairs.first[~pairs.same][order], pairs.second[~pairs.same][order]]
    own = [pairs.first[pairs.same], pairs.second[pairs.same]]
    for sample in range(samples):
        times = np.bincount(random.integers(0, people, people), minlength=people).astype(np.float32)
        weights = times[sides[0]] * times[sides[1]]
        genuine = np.where(own[0] == own[1], times[own[0]], times[own[0]] * times[own[1]])
        thresholds = [_find_threshold(impostors, np.cumsum(weights, dtype=np.float64), rate) for rate in possible]
        drawn[sample] = [_share_above(pairs.genuine, genuine, threshold) for threshold in thresholds]
    ones = np.arange(1, len(impostors) + 1, dtype=np.float64)
    for column, rate in enumerate(possible):
        threshold = _find_threshold(impostors, ones, rate)
        low, high = np.nanquantile(drawn[:, column], [0.025, 0.975])
        value = float(np.mean(pairs.genuine >= threshold))
        yield Rate(rate, threshold, value, (float(low), float(high))), len(pairs.similarities)


def _find_threshold(falling: Floats, mass: NDArray[np.float64], rate: float) -> float:
    """Just above the first impostor whose admission would exceed the rate; mass: running sum of the pairs' weights."""
    admitted = int(np.searchsorted(mass, rate * mass[-1] + 1e-9, side="right"))
    return float(np.nextafter(falling[min(admitted, len(falling) - 1)], np.inf, dtype=falling.dtype))


def _share_above(similarities: Floats, weights: Floats, threshold: float) -> float:
    total = float(weights.sum())
    return float(weights[similarities >= threshold].sum()) / total if total else float("nan")
