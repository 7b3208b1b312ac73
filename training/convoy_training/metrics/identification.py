"""Open-set 1:K identification: whether a search finds people in the gallery, and refuses strangers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.bootstrap import Interval, bootstrap
from convoy_training.metrics.verification import find_threshold

RATES = (1e-1, 1e-2)
"""The false-positive identification rates at which misses are counted."""

SAMPLES = 200

Rows = NDArray[np.integer]


@dataclass(frozen=True)
class Searched:
    """The best template of each probe [N]: its row in the gallery, its similarity, and whether its person is right.

    known: whether the probe's person is in the gallery; person: the probe's person.
    """

    nearest: NDArray[np.int64]
    best: NDArray[np.floating]
    right: NDArray[np.bool_]
    known: NDArray[np.bool_]
    person: NDArray[np.integer]

    def rank_one(self, probes: Rows) -> float:
        """The share of these probes, all of known people, whose nearest template is of the same person."""
        return float(np.mean(self.right[probes]))

    def miss_rate(self, known: Rows, strangers: Rows, rate: float) -> float:
        """FNIR at FPIR (ISO/IEC 19795-1): the share of known probes not found first, or found below the threshold.

        The threshold is the lowest one that at most `rate` of the strangers' searches reach.
        """
        threshold = find_threshold(self.best[strangers], rate)
        return float(np.mean(~(self.right[known] & (self.best[known] >= threshold))))


def choose_gallery(people: NDArray[np.integer]) -> Rows:
    """The first face of everyone who has two or more. People with one face are the strangers of the search."""
    first = np.unique(people, return_index=True)[1]
    several: NDArray[np.integer] = first[np.bincount(people)[people[first]] > 1]
    return several


def search(vectors: NDArray[np.floating], people: NDArray[np.integer], gallery: Rows, probes: Rows) -> Searched:
    """Finds the nearest face in the gallery for every probe; both are rows of the unit vectors [N,D]."""
    similarities = vectors[probes] @ vectors[gallery].T
    nearest = similarities.argmax(axis=1)
    known = np.isin(people[probes], people[gallery])
    right = people[gallery][nearest] == people[probes]
    return Searched(nearest, similarities.max(axis=1), right, known, people[probes])


def measure_search(searched: Searched) -> dict[str, float]:
    """Measures `rank_1` (closed-set, known people only) and `fnir_at_fpir_<rate>` at each of `RATES`."""
    return _measure(searched, np.flatnonzero(searched.known), np.flatnonzero(~searched.known))


def measure_intervals(searched: Searched, chosen: NDArray[np.bool_] | None = None) -> dict[str, Interval]:
    """95 % intervals that resample the people searched for and the strangers; the gallery stays the same.

    chosen [N]: restricts the probes of known people to these.
    """
    known = np.flatnonzero(searched.known if chosen is None else searched.known & chosen)
    strangers = np.flatnonzero(~searched.known)
    by_person = [known[searched.person[known] == person] for person in np.unique(searched.person[known])]

    def measure(people: Rows, others: Rows) -> Mapping[str, float]:
        return _measure(searched, np.concatenate([by_person[person] for person in people]), strangers[others])

    return bootstrap(measure, len(by_person), len(strangers), samples=SAMPLES)


def _measure(searched: Searched, known: Rows, strangers: Rows) -> dict[str, float]:
    misses = {
        f"fnir_at_fpir_{rate:.0e}".replace("e-0", "e-"): searched.miss_rate(known, strangers, rate) for rate in RATES
    }
    return {"rank_1": searched.rank_one(known)} | misses
