"""Does quality predict errors: the error that is left when the poorest pairs are refused."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def measure_miss_after_rejection(genuine: Floats, qualities: Floats, threshold: float, rejected: float) -> float:
    """The false non-match rate at `threshold` of genuine pairs, without the share `rejected` of poorest quality.

    A pair is as good as its poorer face. Source: the error-versus-reject curve of Grother and Tabassi, TPAMI 2007.
    """
    kept = np.argsort(qualities, kind="stable")[int(rejected * len(qualities)) :]
    return float(np.mean(genuine[kept] < threshold))
