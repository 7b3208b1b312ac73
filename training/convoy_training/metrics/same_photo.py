"""How much more two people in one photo resemble each other than two in different photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.bootstrap import Interval, bootstrap
from convoy_training.metrics.false_match import Curve, Impostors, fit_curve
from convoy_training.metrics.verification import find_threshold

RATES = (1e-1, 1e-2, 1e-3)
"""The false-match rates of people in different photos at which people in one photo are counted."""
CURVE_RATES = (0.5, 0.2, 0.1, 0.05, 0.02, 1e-2, 5e-3, 2e-3, 1e-3)
"""Rarer ones nobody can tell from a thousand pairs; services go on from there on the safe side."""
TAIL_SHARE = 0.1
COUNTED_PAIRS = 30
"""There are a thousand pairs rather than millions, so the tail begins earlier and fewer pairs count."""
SAMPLES = 500


@dataclass(frozen=True)
class Compared:
    """The similarities [P] of all pairs of faces, and the photos of the two faces [P]."""

    similarities: NDArray[np.float32]
    first: NDArray[np.integer]
    second: NDArray[np.integer]

    @property
    def same(self) -> NDArray[np.bool_]:
        """Which pairs are of one photo."""
        mask: NDArray[np.bool_] = self.first == self.second
        return mask


def compare_group_faces(vectors: NDArray[np.float32], photos: NDArray[np.integer]) -> Compared:
    """Compares every face with every other, from unit embeddings [N,D] and photos [N]."""
    rows, columns = np.triu_indices(len(photos), 1)
    return Compared((vectors @ vectors.T)[rows, columns], photos[rows], photos[columns])


def measure_same_photo(compared: Compared, samples: int = SAMPLES) -> dict[float, tuple[float, float, Interval]]:
    """By the rate for different photos: the threshold, the rate for one photo, and its 95 % interval by photos.

    A draw of the photos sets the threshold anew. Rates that fewer than ten pairs of different photos would reach are
    left out.
    """
    same, others = compared.same, np.sort(compared.similarities[~compared.same])
    count = int(max(compared.first.max(), compared.second.max())) + 1
    rates = [rate for rate in RATES if rate * len(others) >= 10]
    thresholds = {rate: find_threshold(others, rate) for rate in rates}
    interval = bootstrap(_by_photos(compared, rates), count, samples=samples)
    pairs = compared.similarities[same]
    return {rate: (t, float(np.mean(pairs >= t)), interval[rate]) for rate, t in thresholds.items()}


def _by_photos(compared: Compared, rates: list[float]) -> Callable[..., Mapping[float, float]]:
    """Measures a draw of the photos: a photo that is drawn twice counts twice."""
    order = np.argsort(-compared.similarities)
    same = compared.same[order]
    first, second = compared.first[order], compared.second[order]

    def measure(photos: NDArray[np.integer]) -> dict[float, float]:
        times = np.bincount(photos, minlength=int(max(first.max(), second.max())) + 1)
        within = np.cumsum(np.where(same, times[first], 0))
        across = np.cumsum(np.where(same, 0, times[first] * times[second]))
        ends = np.searchsorted(across, np.array(rates) * across[-1], side="right") - 1
        return {rate: float(within[max(end, 0)] / within[-1]) for rate, end in zip(rates, ends, strict=True)}

    return measure


def fit_same_photo(compared: Compared) -> tuple[Curve, Impostors]:
    """Fits similarity against false-match rate for two people in one photo, with intervals by photos."""
    same = compared.same
    order = np.argsort(-compared.similarities[same])
    photos = np.unique(compared.first[same][order], return_inverse=True)[1].astype(np.int32)
    pairs = Impostors(compared.similarities[same][order], photos, photos, int(photos.max()) + 1)
    return fit_curve(pairs, rates=CURVE_RATES, tail_share=TAIL_SHARE, counted_pairs=COUNTED_PAIRS), pairs
