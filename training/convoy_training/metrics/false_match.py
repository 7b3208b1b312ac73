"""How often two strangers reach a similarity: the false-match rate, counted and then extrapolated.

A rate is counted if enough pairs show it. Smaller rates come from a model of the tail, a generalised Pareto
distribution over the most similar impostor pairs (Pickands 1975), fitted by probability-weighted moments (Hosking &
Wallis, Technometrics 1987). Intervals resample people, since pairs share people and are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

TAIL_SHARE = 1e-3
COUNTED_PAIRS = 200
"""A rate is counted if at least this many impostor pairs reach it, or if it lies before the tail; else modelled."""

RATES = (0.5, 0.2, 0.1, 0.05, 0.02, 1e-2, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5, 1e-6, 1e-7, 1e-8)

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Tail:
    """Generalised Pareto: of the pairs above `start`, (1 + shape * x / scale) ** (-1 / shape) are at least x above."""

    start: float
    share: float
    scale: float
    shape: float

    def find_similarity(self, rate: float) -> float:
        """The similarity that this share of all pairs reaches."""
        relative = rate / self.share
        if abs(self.shape) < 1e-6:
            return float(self.start - self.scale * np.log(relative))
        return float(self.start + self.scale / self.shape * (relative**-self.shape - 1))

    def measure_rate(self, similarity: float) -> float:
        """The share of all pairs at or above a similarity in the tail."""
        excess = (similarity - self.start) / self.scale
        if abs(self.shape) < 1e-6:
            return float(self.share * np.exp(-excess))
        return float(self.share * max(0.0, 1 + self.shape * excess) ** (-1 / self.shape))


@dataclass(frozen=True)
class Impostors:
    """The similarities of all pairs of different people in falling order, with the two people of each pair.

    first, second: what is drawn anew for an interval; for pairs within one photo, the photo, twice.
    """

    similarities: NDArray[np.float32]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    people: int


@dataclass(frozen=True)
class Curve:
    """Rising similarities, the false-match rate at each, and the upper end of its 95 % interval."""

    similarities: list[float]
    rates: list[float]
    upper: list[float]
    tail: Tail


def compare_strangers(embeddings: NDArray[np.float32], labels: NDArray[np.integer]) -> Impostors:
    """Compares every pair of faces of different people, from unit embeddings [N,D] and people [N]."""
    rows, columns = np.triu_indices(len(labels), 1)
    differ = labels[rows] != labels[columns]
    rows, columns = rows[differ].astype(np.int32), columns[differ].astype(np.int32)
    similarities = (embeddings @ embeddings.T)[rows, columns]
    order = np.argsort(-similarities)
    first, second = (labels[side[order]].astype(np.int32) for side in (rows, columns))
    return Impostors(similarities[order], first, second, int(labels.max()) + 1)


def fit_curve(
    impostors: Impostors,
    *,
    samples: int = 200,
    seed: int = 0,
    rates: Sequence[float] = RATES,
    tail_share: float = TAIL_SHARE,
    counted_pairs: int = COUNTED_PAIRS,
) -> Curve:
    """Fits similarity against false-match rate at these rates, with intervals.

    A rate is counted if `counted_pairs` reach it, or if it lies before the tail, the top `tail_share` of the pairs.
    """
    pairs = len(impostors.similarities)
    tail = fit_tail(impostors.similarities, np.ones(pairs), tail_share)
    points: dict[float, float] = {}
    for rate in rates:
        counted = rate * pairs >= counted_pairs or rate >= tail.share
        similarity = float(impostors.similarities[int(rate * pairs)]) if counted else tail.find_similarity(rate)
        if similarity <= 1 and similarity > max(points, default=-1.0) + 1e-6:
            points[similarity] = rate
    upper = _bound_rates(impostors, list(points), samples, np.random.default_rng(seed), tail_share, counted_pairs)
    reached = list(points.values())
    return Curve(list(points), reached, [max(u, r) for u, r in zip(upper, reached, strict=True)], tail)


def fit_tail(similarities: Floats, weights: Floats, share: float = TAIL_SHARE) -> Tail:
    """Fits the tail to the top `share` of weighted similarities, which must be in falling order."""
    mass = np.cumsum(weights)
    end = int(np.searchsorted(mass, share * mass[-1])) + 1
    start = float(similarities[end])
    excess, weight = similarities[:end].astype(np.float64) - start, weights[:end]
    total = float(mass[end - 1])
    above = (mass[:end] - weight / 2) / total
    mean = float((weight * excess).sum() / total)
    moment = float((weight * excess * above).sum() / total)
    shape = 2 - mean / (mean - 2 * moment)
    return Tail(start, total / float(mass[-1]), 2 * mean * moment / (mean - 2 * moment), shape)


def _bound_rates(
    impostors: Impostors,
    similarities: list[float],
    samples: int,
    random: Generator,
    tail_share: float,
    counted_pairs: int,
) -> list[float]:
    """The 97.5 % quantile of each rate over draws of the people, with replacement."""
    counts = np.searchsorted(-impostors.similarities, -np.array(similarities, np.float32), side="right")
    drawn = np.empty((samples, len(similarities)))
    for sample in range(samples):
        times = np.bincount(random.integers(0, impostors.people, impostors.people), minlength=impostors.people)
        # A pair within one unit that is drawn, such as a photo, comes as often as the unit does.
        others = np.where(impostors.first == impostors.second, 1, times[impostors.second])
        weights = (times[impostors.first] * others).astype(np.float64)
        mass = np.concatenate([[0.0], np.cumsum(weights)])
        tail = fit_tail(impostors.similarities, weights, tail_share)
        for column, (similarity, count) in enumerate(zip(similarities, counts, strict=True)):
            # The tail model only holds above its start; before it, pairs are counted even if they are few.
            counted = count >= counted_pairs or similarity <= tail.start
            drawn[sample, column] = mass[count] / mass[-1] if counted else tail.measure_rate(similarity)
    return [float(value) for value in np.quantile(drawn, 0.975, axis=0)]
