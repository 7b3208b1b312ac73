"""Faces of people without names, cut out of WIDER FACE's training pictures."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from convoy.faces.alignment import DegenerateLandmarksError, align_face
from numpy.typing import NDArray

from convoy_training.data import wider
from convoy_training.data.source import compute_digest, find

MIN_SIDE_PX = 16
"""Smaller faces are left out: they teach more about blur than about faces."""


@cache
def load_unlabelled(border_px: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Aligned crops [N,S,S,3] with `border_px` more on each side, and a name for each: `wider/<picture>/<face>`."""
    crops, names = [], []
    for picture in wider.load_split("train"):
        sides = (picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]).min(axis=1, initial=np.inf)
        chosen = np.flatnonzero(picture.whole & (sides >= MIN_SIDE_PX))
        if not len(chosen):
            continue
        image = picture.decode()
        for face in chosen:
            try:
                crops.append(align_face(image, picture.landmarks[face], border_px=border_px))
            except DegenerateLandmarksError:
                continue
            names.append(f"wider/{picture.photo.name}/{face}")
    return np.stack(crops), tuple(names)


def digest() -> str:
    """SHA-256 of the archive."""
    return hashlib.sha256(compute_digest(find(wider.ARCHIVE)).encode()).hexdigest()
