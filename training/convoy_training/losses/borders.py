"""The U-Net paper's extra weight on thin borders, whose few pixels would count too little to keep two cells apart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from convoy_training.recipe import Strict

REACH = 5.0
"""How far around a region weights are computed, in widths; beyond it they are less than e^-12 of the height."""


class Borders(Strict):
    """The U-Net paper's extra weight between regions; the defaults are the paper's numbers."""

    height: float = Field(10.0, ge=0, description="the paper's w0, beside class weights of about 1")
    width_px: float = Field(5.0, gt=0, description="the paper's sigma")


def weigh_borders(inside: NDArray[np.bool_], height: float, width_px: float) -> NDArray[np.float32]:
    """Weights [H,W]: height * exp(-(d1 + d2)^2 / (2 width_px^2)), d1 and d2 the distances to the two nearest regions.

    inside [H,W]: true within regions, which are 4-connected. A distance runs to the nearest pixel on the other side of
    the region's border, also from within the region. With fewer than two regions all weights are 0.
    Source: Ronneberger et al. 2015, equation 2 without w_c; height is w0 (there 10), width_px is sigma (there 5).
    """
    first = np.full(inside.shape, np.inf, np.float32)
    second = first.copy()
    count, regions, boxes, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=4)
    for region in range(1, count):
        window = _look_around(boxes[region], REACH * width_px)
        distance = _measure_distance(regions[window] == region)
        second[window] = np.minimum(second[window], np.maximum(first[window], distance))
        first[window] = np.minimum(first[window], distance)
    return (height * np.exp(-((first + second) ** 2) / (2 * width_px**2))).astype(np.float32)


def _look_around(box: NDArray[np.int32], margin_px: float) -> tuple[slice, slice]:
    """The rows and columns of a region (left, top, width, height, ...) and of the margin around it."""
    left, top, width, height = (int(v) for v in box[:4])
    margin = int(np.ceil(margin_px))
    return slice(max(0, top - margin), top + height + margin), slice(max(0, left - margin), left + width + margin)


def _measure_distance(region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The distance of each pixel, in pixels, to the nearest one on the other side of the region's border."""
    sides = (side.astype(np.uint8) for side in (region, ~region))
    within, without = (cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for side in sides)
    return (within + without).astype(np.float32)
