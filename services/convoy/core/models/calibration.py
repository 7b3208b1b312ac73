"""Converts between a cosine similarity and its rates: how often two strangers reach it, how often one person does not.

Between two entries of the table, log FMR is linear in the similarity. Below the first entry, the rate is 1. Beyond the
last entry nothing was measured, so both directions err on the safe side. The threshold for a stricter rate goes on
rising, up to 1, with the flatter of the last and the mean slope, since real tails of impostors fall faster. A higher
similarity gets the last rate of the table, never a better one.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class FalseMatchCurve:
    """similarity: rising; false_match_rate: the share of strangers at or above it, falling or level, above 0."""

    similarity: tuple[float, ...]
    false_match_rate: tuple[float, ...]

    def threshold(self, false_match_rate: float) -> float:
        """Return the lowest similarity that strangers reach at most so often; a stricter rate never lowers it."""
        strictness = [-math.log(rate) for rate in self.false_match_rate]
        wanted = -math.log(max(false_match_rate, 1e-300))
        first = next((i for i, reached in enumerate(strictness) if reached >= wanted), None)
        if first is None:
            return self._beyond(strictness, wanted)
        if first == 0:
            return self.similarity[0]
        return float(np.interp(wanted, strictness[first - 1 : first + 1], self.similarity[first - 1 : first + 1]))

    def false_match_rate_at(self, similarity: float) -> float:
        """Return how often strangers reach the similarity."""
        if similarity < self.similarity[0]:
            return 1.0
        return float(np.exp(np.interp(similarity, self.similarity, np.log(self.false_match_rate))))

    def is_beyond(self, similarity: float) -> bool:
        """Whether the similarity is above the whole table, where rates are not measured."""
        return similarity > self.similarity[-1]

    def _beyond(self, strictness: list[float], wanted: float) -> float:
        """Return the threshold for a rate below the table's last. Ignores entries at the end with equal rates."""
        end = strictness.index(strictness[-1])
        if end == 0:
            return 1.0
        rises = ((strictness[end] - strictness[i]) / (self.similarity[end] - self.similarity[i]) for i in (0, end - 1))
        slope = min(rises)
        return min(1.0, max(self.similarity[-1], self.similarity[end] + (wanted - strictness[end]) / slope))


@dataclass(frozen=True, slots=True)
class MissCurve:
    """similarity: rising; false_non_match_rate: the share of photos of a person that stay below it, rising or level."""

    similarity: tuple[float, ...]
    false_non_match_rate: tuple[float, ...]

    def miss_rate_at(self, threshold: float) -> float:
        """Return how often a photo of a person stays below a threshold, compared with one other photo of the person.

        Below the first entry of the table it is that entry's rate, and beyond the last it is 1: never better than was
        measured.
        """
        if threshold > self.similarity[-1]:
            return 1.0
        return float(np.interp(threshold, self.similarity, self.false_non_match_rate))
