"""Turns similarity into false-match rate and back: how often two strangers reach a cosine similarity.

Between the table's entries log FMR is linear in similarity. Beyond its end nothing was measured, and both directions
err on the safe side: a stricter rate gets a threshold that goes on rising with the flatter of the last and the mean
slope (impostor tails fall faster than that), up to 1; a higher similarity is reported with the last rate of the table,
never a better one. Below its start the rate is 1.
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
        """The least similarity that strangers reach at most that often; a stricter rate never lowers it."""
        strictness = [-math.log(rate) for rate in self.false_match_rate]
        wanted = -math.log(max(false_match_rate, 1e-300))
        first = next((i for i, reached in enumerate(strictness) if reached >= wanted), None)
        if first is None:
            return self._beyond(strictness, wanted)
        if first == 0:
            return self.similarity[0]
        return float(np.interp(wanted, strictness[first - 1 : first + 1], self.similarity[first - 1 : first + 1]))

    def false_match_rate_at(self, similarity: float) -> float:
        """How often strangers reach the similarity."""
        if similarity < self.similarity[0]:
            return 1.0
        return float(np.exp(np.interp(similarity, self.similarity, np.log(self.false_match_rate))))

    def _beyond(self, strictness: list[float], wanted: float) -> float:
        """The threshold for a rate that is stricter than the table's last; a level end of the table is left out."""
        end = strictness.index(strictness[-1])
        if end == 0:
            return 1.0
        rises = ((strictness[end] - strictness[i]) / (self.similarity[end] - self.similarity[i]) for i in (0, end - 1))
        slope = min(rises)
        return min(1.0, max(self.similarity[-1], self.similarity[end] + (wanted - strictness[end]) / slope))
