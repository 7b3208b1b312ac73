"""Whether quality predicts errors: the error that is left if you refuse the poorest pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def measure_miss_after_rejection(
    genuine: Floats, qualities: Floats, threshold: float, rejected: float, weights: Floats | None = None
) -> float:
    """The false non-match rate of genuine pairs at `threshold`, without the share `rejected` of poorest quality.

    qualities: of each pair's poorer face; weights: how often each pair counts, by default once. Source: the
    error-versus-reject curve of Grother and Tabassi, TPAMI 2007.
    """
    order = np.argsort(qualities, kind="stable")
    weights = np.ones(len(genuine)) if weights is None else weights[order]
    kept = np.clip(np.cumsum(weights) - int(rejected * weights.sum()), 0, weights)
    return float(np.average(genuine[order] < threshold, weights=kept))
