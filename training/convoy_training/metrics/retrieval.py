"""How often the nearest other pictures show the same class: recall at k, as collections of things are searched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.bootstrap import Interval
from convoy_training.metrics.share import measure_share

KS = (1, 5)
AT_ONCE = 500


def find_nearest(vectors: NDArray[np.float32], most: int = max(KS)) -> NDArray[np.int64]:
    """The rows [N,most] of the nearest other vectors [N,D] by Euclidean distance, nearest first."""
    squares = (vectors**2).sum(1)
    found = []
    for start in range(0, len(vectors), AT_ONCE):
        part = vectors[start : start + AT_ONCE]
        distances = squares - 2 * part @ vectors.T  # the part's own squares are the same along each row
        distances[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        found.append(np.argsort(distances, axis=1, kind="stable")[:, :most])
    return np.concatenate(found)


def measure_recalls(
    nearest: NDArray[np.int64], labels: NDArray[np.int64], ks: Sequence[int] = KS
) -> dict[int, tuple[float, Interval]]:
    """For each k, the share of pictures of which one of the k nearest has their label, and its 95 % interval."""
    same = labels[nearest] == labels[:, None]
    return {k: measure_share(same[:, :k].any(1).tolist()) for k in ks}
