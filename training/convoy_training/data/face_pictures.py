"""Pictures with labelled faces in the checked form that the face recipes train on, from any form of list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from convoy.core.pictures import decoding as images
from convoy.faces import task
from numpy.typing import NDArray

from convoy_training.data.photo import Photo
from convoy_training.errors import LabelError

UNKNOWN = np.full((5, 2), np.nan, np.float32)
"""The landmarks of a face for which fewer than five are known."""


@dataclass(frozen=True)
class Face:
    """One face as a list gives it: its line, its box x, y, width, height, landmarks [5,2], and whether to ignore it."""

    line: int | None
    box_xywh: tuple[float, ...]
    landmarks: NDArray[np.float32]
    ignored: bool


@dataclass(frozen=True)
class Listed:
    """A picture under its name in a list, with its faces."""

    name: str
    line: int | None
    faces: Sequence[Face]


@dataclass(frozen=True)
class Picture:
    """A picture with boxes_xyxy [M,4] and landmarks [M,5,2] (NaN where unknown), both in its pixels.

    ignored [M]: these count neither as faces nor as background.
    """

    photo: Photo
    boxes_xyxy: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    ignored: NDArray[np.bool_]

    def decode(self) -> NDArray[np.uint8]:
        """The pixels uint8 RGB [H,W,3], upright and at full size, as the labels count them."""
        return self.photo.decode().image_rgb

    def decode_as_served(self) -> images.Picture:
        """The picture as the service decodes it: a JPEG perhaps with fewer pixels, and its full size."""
        return self.photo.decode(task.MIN_SIDE_PX)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Which faces [M] are not ignored and have all five landmarks."""
        return ~self.ignored & np.isfinite(self.landmarks).all(axis=(1, 2))


def build_picture(photo: Photo, faces: Sequence[Face], file: str) -> Picture:
    """Checks the faces of one picture and clips their boxes to it.

    Only the centre of a box must lie inside, since WIDER's annotators drew some across the border. Ignored faces may
    lie anywhere. Raises LabelError with the name of the list, the line and the reason.
    """
    height, width = photo.height, photo.width
    edges = np.array([face.box_xywh for face in faces], np.float32).reshape(-1, 4)
    edges[:, 2:] += edges[:, :2]
    for face, (x0, y0, x1, y1) in zip(faces, edges.tolist(), strict=True):
        text = f"{photo.name}: the box {x0:g},{y0:g},{x1:g},{y1:g}"
        if not face.ignored and not (x0 < x1 and y0 < y1):
            raise LabelError(file, face.line, f"{text} has no area")
        if not face.ignored and not (0 <= x0 + x1 <= 2 * width and 0 <= y0 + y1 <= 2 * height):
            raise LabelError(file, face.line, f"{text} lies outside the picture of {width}x{height}")
    edges = np.clip(edges, np.float32(0), np.array([width, height] * 2, np.float32))
    kept = (edges[:, :2] < edges[:, 2:]).all(axis=1)
    landmarks = np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2)
    return Picture(photo, edges[kept], landmarks[kept], np.array([face.ignored for face in faces], bool)[kept])
