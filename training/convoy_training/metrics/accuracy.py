"""The interval of an accuracy: how sure you can be of a measured share of right answers."""

from __future__ import annotations

from math import sqrt


def measure_interval(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of the share of `right` answers among `n` (Wilson 1927)."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half
