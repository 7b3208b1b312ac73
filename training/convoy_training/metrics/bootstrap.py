"""The interval of any measured number, by the percentile bootstrap (Efron 1979).

The units that you resample must be independent: pictures rather than boxes, people rather than pairs of their faces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
Name = TypeVar("Name")


def bootstrap(
    measure: Callable[..., Mapping[Name, float]], *counts: int, samples: int = 1000, seed: int = 0
) -> dict[Name, Interval]:
    """The 95 % interval of each number that `measure(rows, ...)` returns, all from the same draws.

    counts: how many independent units each group has; a draw takes that many rows of each, with repetition. A draw in
    which a number is undefined (NaN) does not count for that number.
    """
    random = np.random.default_rng(seed)
    drawn = [measure(*(random.integers(0, count, count) for count in counts)) for _ in range(samples)]
    table = np.array([[values[name] for name in drawn[0]] for values in drawn])
    return {name: find_interval(column) for name, column in zip(drawn[0], table.T, strict=True)}


def find_interval(values: NDArray[np.floating]) -> Interval:
    """The middle 95 % of the values that are not NaN; (NaN, NaN) if all are."""
    known = values[~np.isnan(values)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)
