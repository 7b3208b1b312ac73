"""The share of independent trials that went one way, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convoy_training.metrics.bootstrap import Interval

Z = 1.959964
"""95 % of a normal distribution lie within so many standard deviations."""


def measure_share(trials: Sequence[bool]) -> tuple[float, Interval]:
    """The share, and its 95 % interval by Wilson (1927), which holds near 0 and 1 too; for at least one trial."""
    count = len(trials)
    share = sum(map(bool, trials)) / count
    middle = share + Z**2 / (2 * count)
    reach = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    low, high = ((middle + side * reach) / (1 + Z**2 / count) for side in (-1, 1))
    return share, (max(0.0, low), min(1.0, high))
