"""Starts a smaller face embedder from a larger one: the first blocks of each stage, and a head for fewer cells.

What the left-out blocks added is missing, so the smaller one answers otherwise than the larger one until it has been
trained. It still begins nearer to its goal than with random weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

BEFORE_BLOCKS = 2
"""Parts of `FoldedEmbedder.features` before its blocks: the stem and its activation."""
HEAD = "head.weight"


def shorten(weights: Mapping[str, Tensor], theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Tensor]:
    """The folded weights of a larger embedder for a smaller one; as they are where the two have the same size.

    theirs, mine: the `architecture` of both recipes. Nothing is changed unless widths and numbers agree and no stage
    becomes deeper; what does not fit then is an error of whoever takes the weights over.
    """
    if any(_plain(theirs.get(name)) != _plain(mine[name]) for name in ("widths", "dimension")):
        return dict(weights)
    deep, shallow = tuple(theirs["depths"]), tuple(mine["depths"])
    if any(a < b for a, b in zip(deep, shallow, strict=True)):
        return dict(weights)
    places = {f"features.{old}.": f"features.{new}." for new, old in enumerate(_kept(deep, shallow), BEFORE_BLOCKS)}
    places |= {f"features.{part}.": f"features.{part}." for part in range(BEFORE_BLOCKS)}
    short: dict[str, Tensor] = {}
    for name, value in weights.items():
        prefix = ".".join([*name.split(".")[:2], ""])
        if not name.startswith("features."):
            short[name] = value
        elif prefix in places:
            short[places[prefix] + name.removeprefix(prefix)] = value
    channels = mine["widths"][-1]
    short[HEAD] = _resample(short[HEAD], channels, _side(theirs), _side(mine))
    return short


def _kept(deep: Sequence[int], shallow: Sequence[int]) -> list[int]:
    """The places of the first blocks of each stage."""
    begins = itertools.accumulate(deep, initial=BEFORE_BLOCKS)
    return [begin + block for begin, depth in zip(begins, shallow, strict=False) for block in range(depth)]


def _plain(value: Any) -> Any:
    """Lists and tuples are the same here: one comes from a file, one from a recipe."""
    return tuple(value) if isinstance(value, list | tuple) else value


def _side(architecture: Mapping[str, Any]) -> int:
    return -(-int(architecture["crop_px"]) // 2 ** len(architecture["widths"]))


def _resample(matrix: Tensor, channels: int, old: int, new: int) -> Tensor:
    """[D, channels * old²] to [D, channels * new²]: the same answer as to the smaller map, enlarged to the old size."""
    if old == new:
        return matrix
    units = torch.eye(new**2).view(-1, 1, new, new)
    enlarged = F.interpolate(units, size=(old, old), mode="bilinear", align_corners=False).flatten(1)
    return (matrix.view(len(matrix), channels, old**2) @ enlarged.T).flatten(1)
