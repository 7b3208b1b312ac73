"""Outlines of masks as polygons along the edges between pixels, as COCO has them."""

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def trace(part: npt.NDArray[np.bool_], left: int, top: int) -> list[Floats]:
    """Trace the outer outline of each connected piece of a mask [h, w] whose corner lies at (left, top).

    Returns polygons [P, 2] x, y in pixels of the picture, with a vertex at each corner: filled again they are exactly
    the mask, without its holes.
    """
    # OpenCV's contours go through the middles of pixels. Of pixels twice as large, each side has a middle of its own.
    twice = np.repeat(np.repeat(part.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, _ = cv2.findContours(twice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [
        _corners((contour.reshape(-1, 2).astype(np.int64) + 1) // 2) + np.array([left, top], np.float32)
        for contour in contours
    ]


def _corners(points: npt.NDArray[np.integer]) -> Floats:
    """Leave out points that stay in place or go straight on."""
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    backs = (before * after).sum(axis=1) < 0
    return np.asarray(points[turns | backs], np.float32)
