"""Finds held-out pictures that are nearly training pictures: saved again, scaled, or of the same moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from convoy_training.data.faults import add_note
from convoy_training.data.photo import Photo, check_each

SIDE = 16
NEAR = 0.02
"""Thumbnails of unit variance whose mean square difference is less show the same: their correlation is above 0.99."""
PLAIN = 4.0
"""A thumbnail with less deviation than this shows nothing by which it could be known."""


def note_alike(train: Sequence[Photo], held_out: Sequence[Photo]) -> None:
    """Notes each held-out picture that is nearly a training picture, but not byte for byte."""
    theirs, mine = list(_shrink(train)), list(_shrink(held_out))
    if not theirs or not mine:
        return
    thumbnails = np.stack([thumbnail for _, thumbnail in theirs])
    coarse = _reduce(thumbnails)
    squares = np.square(coarse).sum(1)
    for photo, thumbnail in mine:
        here = _reduce(thumbnail[None])[0]
        distances = squares - 2 * coarse @ here + here @ here
        for row in np.flatnonzero(distances < coarse.shape[1] * 2 * NEAR).tolist():
            other = theirs[row][0]
            near = np.square(thumbnail - thumbnails[row]).mean() < NEAR
            if near and photo.files[photo.name] != other.files[other.name]:
                told = f"it looks like the training picture {other.name}"
                add_note("nearly the same picture in both splits", photo.name, None, told)
                break


def _shrink(photos: Sequence[Photo]) -> Iterator[tuple[Photo, NDArray[np.float32]]]:
    """Each picture that shows anything, with its grey thumbnail [16,16] of mean zero and unit variance."""

    def look(photo: Photo) -> NDArray[np.float32]:
        grey = cv2.cvtColor(photo.decode(SIDE).image_rgb, cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)

    for photo, thumbnail in zip(photos, check_each(look, photos, "looking for copies"), strict=True):
        if thumbnail.std() >= PLAIN:
            yield photo, (thumbnail - thumbnail.mean()) / thumbnail.std()


def _reduce(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """The grey of sixteen parts of each [N,16]: quickly compared, and near where the thumbnails are near."""
    parts: NDArray[np.float32] = thumbnails.reshape(-1, 4, 4, 4, 4).mean((2, 4)).reshape(-1, 16)
    return parts
