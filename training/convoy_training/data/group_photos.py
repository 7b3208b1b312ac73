"""Faces of different people in one photo, from the held-out pictures of the WIDER FACE subset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from convoy.faces.alignment import DegenerateLandmarksError, align_face
from numpy.typing import NDArray

from convoy_training.data import wider
from convoy_training.errors import TrainingError

TITLE = "WIDER FACE"
MIN_SIDE_PX = 16
"""Smaller faces are left out: nobody would search for one."""
NOT_ONE_PHOTO = (
    "13_Interview_Interview_2_People_Visible_13_244.jpg",  # six photos of one man on a sheet of paper
    "20_Family_Group_Family_Group_20_417.jpg",  # a collage of some twenty photos, in which people come again
)
"""Pictures that show a person more than once, looked for by eye among the most similar pairs."""


@dataclass(frozen=True)
class GroupFaces:
    """Aligned faces [N,112,112,3] of N people, the photo of each [N], numbered from 0, and its shorter side [N]."""

    crops: NDArray[np.uint8]
    photos: NDArray[np.int64]
    sides_px: NDArray[np.float64]


@cache
def load_group_faces() -> GroupFaces:
    """The faces with landmarks of the validation pictures. Raises TrainingError if the archive is not there."""
    crops, photos, sides_px = [], [], []
    for number, picture in enumerate(wider.load_split("validation")):
        if picture.photo.name.rsplit("/", 1)[-1] in NOT_ONE_PHOTO:
            continue
        sides = (picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]).min(axis=1, initial=np.inf)
        image = picture.decode()
        for face in np.flatnonzero(picture.whole & (sides >= MIN_SIDE_PX)):
            try:
                crops.append(align_face(image, picture.landmarks[face]))
            except DegenerateLandmarksError:
                continue
            photos.append(number)
            sides_px.append(float(sides[face]))
    if not crops:
        raise TrainingError("the held-out group photos show no face with landmarks")
    return GroupFaces(np.stack(crops), np.unique(photos, return_inverse=True)[1], np.array(sides_px))
