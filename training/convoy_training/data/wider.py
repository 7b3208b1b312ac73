"""Pictures with faces: the WIDER FACE subset, and close-ups of single people from LFW and CelebA."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from convoy.faces.alignment import REFERENCE_LANDMARKS, estimate_similarity
from numpy.typing import NDArray

from convoy_training.data import identities
from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.face_lists import parse_coco
from convoy_training.data.face_pictures import Listed, Picture, build_picture
from convoy_training.data.photo import Photo, open_photo
from convoy_training.data.source import compute_digest, find, read_tar
from convoy_training.errors import LabelError

ARCHIVE = "wider_face_subset_A.tar"
LIST = "annotations/train.json"
CLOSE_UPS = (identities.ARCHIVES["lfw"], identities.ARCHIVES["celeba"])
VALIDATION_STEP = 5
"""Every fifth picture, sorted by name, is held out."""

CLOSE_UP_PX = 160
CLOSE_UP_BOX = np.array([56.3, 64.4, 80.0, 109.0])
"""Centre, width and height of the face box in the 112x112 reference: medians of WIDER's boxes with landmarks."""

Split = Literal["train", "validation"]


@cache
def load_split(split: Split) -> tuple[Picture, ...]:
    """The pictures of a split with all their faces."""
    archive = open_archive(str(find(ARCHIVE)))
    file = f"{ARCHIVE}:{LIST}"
    listed = sorted(parse_coco(archive.read_text(LIST), file), key=lambda entry: entry.name)
    held_out = split == "validation"
    chosen = [entry for i, entry in enumerate(listed) if (i % VALIDATION_STEP == 0) == held_out]
    return tuple(_read_picture(archive, entry, file) for entry in chosen)


@cache
def load_close_ups(split: Split = "train") -> tuple[Picture, ...]:
    """Square pictures with one face each, of the people in a split of LFW and CelebA; the boxes are estimates."""
    pictures = []
    for dataset in ("lfw", "celeba"):
        people = identities.read_people(dataset, split)
        images = read_tar(find(identities.ARCHIVES[dataset]))
        for file, landmarks in sorted(identities.read_landmarks(dataset).items()):
            if file.split("/")[0] in people:
                box = estimate_box(landmarks)
                name = f"{dataset}/{file}"
                pictures.append(
                    Picture(
                        Photo(images, name, CLOSE_UP_PX, CLOSE_UP_PX), box[None], landmarks[None], np.zeros(1, bool)
                    )
                )
    return tuple(pictures)


def estimate_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The upright box xyxy around a face with these [5,2] landmarks, as WIDER's annotators would have drawn it."""
    matrix = estimate_similarity(REFERENCE_LANDMARKS, landmarks)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    centre = matrix[:, :2] @ CLOSE_UP_BOX[:2] + matrix[:, 2]
    half = CLOSE_UP_BOX[2:] * scale / 2
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def digest(further: Sequence[str] = ()) -> str:
    """One SHA-256 over the archives used, `further` ones included."""
    archives = (ARCHIVE, *CLOSE_UPS, *further)
    return hashlib.sha256("".join(compute_digest(find(archive)) for archive in archives).encode()).hexdigest()


def _read_picture(archive: Archive, entry: Listed, file: str) -> Picture:
    name = f"images/{entry.name}"
    if name not in archive.files:
        raise LabelError(file, None, f"{entry.name} is annotated, but the archive does not hold it")
    return build_picture(open_photo(archive.files, name), entry.faces, file)
