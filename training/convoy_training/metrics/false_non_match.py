"""How often a photo of a person stays below a similarity to another photo of that person: the false non-match rate.

Each photo counts once, as a probe that is compared with one other photo of its person, at random. A person of a hundred
photos has 4,950 pairs and a person of two has one; by pairs alone the hundred photos would decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.bootstrap import find_interval

RATES = (
    0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.175, 0.2, 0.225, 0.25, 0.275, 0.3, 0.35,
    0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99,
)  # fmt: skip


@dataclass(frozen=True)
class Mates:
    """Similarities of all pairs of one person in rising order [N], the weight of each, and its person."""

    similarities: NDArray[np.float32]
    weights: NDArray[np.float64]
    person: NDArray[np.integer]


@dataclass(frozen=True)
class MissCurve:
    """Rising similarities, the share of photos that stay below each, and the upper end of its 95 % interval."""

    similarities: list[float]
    rates: list[float]
    upper: list[float]


def compare_mates(embeddings: NDArray[np.float32], labels: NDArray[np.integer]) -> Mates:
    """Compares every pair of faces of one person, from unit embeddings [N,D] and people [N]."""
    similarities, weights, person = [], [], []
    for one in np.flatnonzero(np.bincount(labels) > 1):
        vectors = embeddings[labels == one]
        pairs = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
        similarities.append(pairs)
        weights.append(np.full(len(pairs), 2 / (len(vectors) - 1)))
        person.append(np.full(len(pairs), one))
    if not similarities:
        return Mates(np.empty(0, np.float32), np.empty(0), np.empty(0, np.int64))
    joined = np.concatenate(similarities)
    order = np.argsort(joined, kind="stable")
    return Mates(joined[order], np.concatenate(weights)[order], np.concatenate(person)[order])


def fit_misses(mates: Mates, *, samples: int = 200, seed: int = 0) -> MissCurve:
    """The similarity at each of `RATES`, with intervals that draw people anew."""
    below = _share_below(mates.weights)
    points: dict[float, float] = {}
    for rate in RATES:
        similarity = float(mates.similarities[np.searchsorted(below, rate, side="right") - 1])
        if similarity > max(points, default=-2.0) + 1e-6:
            points[similarity] = rate
    places = np.searchsorted(mates.similarities, np.array([*points], np.float32), side="left")
    people, rows = np.unique(mates.person, return_inverse=True)
    random, drawn = np.random.default_rng(seed), []
    for _ in range(samples):
        times = np.bincount(random.integers(0, len(people), len(people)), minlength=len(people))
        drawn.append(_share_below(mates.weights * times[rows])[places])
    upper = [find_interval(column)[1] for column in np.stack(drawn, axis=1)]
    rates = [*points.values()]
    return MissCurve([*points], rates, [max(*pair) for pair in zip(upper, rates, strict=True)])


def _share_below(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each pair, in the order of similarity, the share of the weight that lies before it."""
    mass = np.cumsum(weights)
    before: NDArray[np.float64] = (mass - weights) / mass[-1]
    return before
