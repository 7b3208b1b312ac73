"""Whether two faces are the same person: thresholds, accuracy and error rates, from the similarities of pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Similarities = NDArray[np.floating]
Same = NDArray[np.bool_]


def measure_accuracy(similarities: Similarities, same: Same, folds: NDArray[np.integer]) -> float:
    """The mean accuracy over folds, each at the threshold that is best on all other folds (LFW's View 2)."""
    scores = []
    for fold in np.unique(folds):
        held_out = folds == fold
        threshold = find_best_threshold(similarities[~held_out], same[~held_out])
        scores.append(np.mean((similarities[held_out] >= threshold) == same[held_out]))
    return float(np.mean(scores))


def find_best_threshold(similarities: Similarities, same: Same) -> float:
    """The threshold at which the most pairs are judged correctly."""
    order = np.argsort(-similarities, kind="stable")
    gain = np.cumsum(np.where(same[order], 1, -1))
    best = int(np.argmax(gain))
    ordered = similarities[order]
    following = ordered[best + 1] if best + 1 < len(ordered) else ordered[best] - 1e-6
    return float((ordered[best] + following) / 2)


def find_threshold(impostors: Similarities, false_match_rate: float) -> float:
    """The lowest threshold that at most this share of impostor pairs reaches.

    ISO/IEC 19795-1 counts a false match if similarity >= threshold, so the threshold lies just above an impostor.
    """
    ordered = np.sort(impostors)[::-1]
    admitted = int(np.floor(false_match_rate * len(ordered) + 1e-9))
    return float(np.nextafter(ordered[min(admitted, len(ordered) - 1)], np.inf, dtype=ordered.dtype))


def measure_true_match_rate(genuine: Similarities, impostors: Similarities, false_match_rate: float) -> float:
    """TAR@FAR: the share of genuine pairs that match at the threshold for this false match rate."""
    return float(np.mean(genuine >= find_threshold(impostors, false_match_rate)))


def measure_equal_error_rate(genuine: Similarities, impostors: Similarities) -> float:
    """The error rate at which false matches and false non-matches are equal."""
    thresholds = np.sort(np.concatenate([genuine, impostors]))
    false_match = 1 - np.searchsorted(np.sort(impostors), thresholds, side="left") / len(impostors)
    false_non_match = np.searchsorted(np.sort(genuine), thresholds, side="left") / len(genuine)
    crossing = int(np.argmin(np.abs(false_match - false_non_match)))
    return float((false_match[crossing] + false_non_match[crossing]) / 2)
