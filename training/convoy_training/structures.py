"""Crops and scenes: what data hands to augmentation and tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNNAMED = -1
"""The label of a face whose person is not known, or that is mixed of two."""

CROWD = -2
"""The label of a crowd of class 0; that of class 1 is one less, and so on. -1 stands for padding."""


class Crop(NamedTuple):
    """What a crop shows, as shares: area of the picture, aspect (width / height) in pixels, place from left and top."""

    area: float
    aspect: float
    left: float
    top: float


@dataclass(frozen=True)
class Places:
    """Named points of K objects, float32 [K,P,3]: x, y, and 0 (not labelled), 1 (hidden) or 2 (visible).

    mirrored: the order of the points in a mirrored picture, where left and right change places.
    """

    points: NDArray[np.float32]
    mirrored: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scene:
    """image_rgb uint8 [H,W,3]; boxes_xyxy float32 [K,4] in its pixels, edges; labels int64 [K], see CROWD.

    instances: uint16 [H,W], the number of the box whose object a pixel shows, counted from 1, or 0; None without masks.
    places: the points of each box, in the picture's pixels; None without points.
    """

    image_rgb: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]
    instances: NDArray[np.uint16] | None = None
    places: Places | None = None
