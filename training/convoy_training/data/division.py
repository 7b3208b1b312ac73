"""Divides one folder of pictures into training and validation, the same way on every machine."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Hashable, Sequence

from convoy_training.data.reading import Division
from convoy_training.errors import LabelError


def divide(names: Sequence[str], kinds: Sequence[Hashable], how: Division) -> list[bool]:
    """Which pictures belong to the validation split.

    kinds: the class of each picture, for `stratify`. Groups are ordered by a hash of the seed and their name, so that a
    further picture moves no other one far. Raises LabelError if one of the splits would be empty.
    """
    members: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        members.setdefault(_find_group(name, how.group_by), []).append(row)
    strata: dict[Hashable, list[str]] = {}
    for group, rows in members.items():
        strata.setdefault(kinds[rows[0]] if how.stratify else None, []).append(group)
    chosen = [False] * len(names)
    for groups in strata.values():
        groups.sort(key=lambda group: hashlib.sha256(f"{how.seed}/{group}".encode()).digest())
        for group in _choose(groups, how):
            for row in members[group]:
                chosen[row] = True
    if not any(chosen) or all(chosen):
        told = f"{len(names)} pictures in {len(members)} groups are too few for it"
        raise LabelError("split", None, f"one of the two splits would be empty: {told}", "split")
    return chosen


def _choose(groups: Sequence[str], how: Division) -> Sequence[str]:
    if how.folds:
        return groups[how.fold :: how.folds]
    count = round(how.val * len(groups))
    return groups[: max(count, 1) if len(groups) > 1 else 0]


def _find_group(name: str, pattern: str) -> str:
    if not pattern:
        return name
    if pattern == "folder":
        return posixpath.dirname(name)
    found = re.search(pattern, name)
    if not found:
        return name
    return found[1] if found.re.groups else found[0]
