"""Whether the photos of a registration show one person: they resemble the record, or one another."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from convoy.recognition.domain.vectors import Vector

STRANGER_RATE = 0.1
"""How often a stranger's photo may pass for the person's. Photos of one person differ much, so a rarer mistake would
refuse many of them."""


def find_agreeing(photos: Sequence[Vector], known: Vector, threshold: float, same_photo: float) -> list[bool]:
    """Which photos show the person, by embeddings [D] of the photos and [K, D] of the record.

    Photos form groups: each resembles another of its group, from the similarity `threshold` on. With a record its group
    is the person. Without one the largest group is, and nobody is where two are equally large. Photos that reach
    `same_photo` count once.
    """
    if not photos or len(photos) + len(known) < 2:
        return [True] * len(photos)
    vectors = np.vstack([np.stack(photos), known])
    similarities = vectors @ vectors.T
    groups = _group(similarities >= threshold, range(len(photos), len(vectors)))
    if len(known):
        return [group == groups[-1] for group in groups[: len(photos)]]
    copies = [bool((row[:i] >= same_photo).any()) for i, row in enumerate(similarities)]
    sizes = Counter(group for group, is_copy in zip(groups, copies, strict=True) if not is_copy).most_common(2)
    if len(sizes) > 1 and sizes[0][1] == sizes[1][1]:
        return [False] * len(photos)
    return [group == sizes[0][0] for group in groups]


def _group(alike: npt.NDArray[np.bool_], record: range) -> list[int]:
    """The number of each one's group, the record's faces being of one group from the start."""
    groups = list(range(len(alike)))
    for one in record:
        groups[one] = record.start
    for one, other in np.argwhere(alike).tolist():
        if groups[one] != groups[other]:
            gone, stays = groups[other], groups[one]
            groups = [stays if group == gone else group for group in groups]
    return groups
