"""Similarity against false-match rate: how often two strangers reach a cosine similarity.

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
        strictness, similarity = self._by_strictness()
        wanted = -math.log(max(false_match_rate, 1e-300))
        if wanted <= strictness[-1] or len(strictness) == 1:
            return float(np.interp(wanted, strictness, similarity))
        slope = min(
            (strictness[-1] - strictness[i]) / (similarity[-1] - similarity[i]) for i in (0, len(strictness) - 2)
        )
        return min(1.0, similarity[-1] + (wanted - strictness[-1]) / slope)

    def false_match_rate_at(self, similarity: float) -> float:
        """How often strangers reach the similarity."""
        if similarity < self.similarity[0]:
            return 1.0
        return float(np.exp(np.interp(similarity, self.similarity, np.log(self.false_match_rate))))

    def _by_strictness(self) -> tuple[list[float], list[float]]:
        """-log FMR, strictly rising, with similarities; where several share a rate the first of them is enough."""
        pairs: list[tuple[float, float]] = []
        for similarity, rate in zip(self.similarity, self.false_match_rate, strict=True):
            if not pairs or -math.log(rate) > pairs[-1][0]:
                pairs.append((-math.log(rate), similarity))
        return [strictness for strictness, _ in pairs], [similarity for _, similarity in pairs]
