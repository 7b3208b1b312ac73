"""Photographs with faces: the WIDER FACE subset, and single faces of LFW and CelebA training people as close-ups."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import simplejpeg
from convoy.faces.alignment import REFERENCE_LANDMARKS, estimate_similarity
from numpy.typing import NDArray

from convoy_training.data import identities
from convoy_training.data.boxes import Row, check_box
from convoy_training.data.source import compute_digest, find, read_tar
from convoy_training.errors import LabelError

ARCHIVE = "wider_face_subset_A.tar"
VALIDATION_STEP = 5
"""Every fifth picture by name is held out."""

CLOSE_UP_BOX = np.array([56.3, 64.4, 80.0, 109.0])
"""Centre, width and height of the face box in the 112x112 reference: medians of WIDER's boxes with landmarks."""

FACE = {"image_id", "bbox", "keypoints", "ignore", "iscrowd"}
"""What an annotation must have; of the COCO form."""

Split = Literal["train", "validation"]


@dataclass(frozen=True)
class Picture:
    """boxes_xyxy [M,4], landmarks [M,5,2] (NaN where unknown) in pixels; ignored [M]: neither face nor background."""

    name: str
    jpeg: bytes
    boxes_xyxy: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    ignored: NDArray[np.bool_]

    def decode(self) -> NDArray[np.uint8]:
        """uint8 RGB [H,W,3]."""
        return simplejpeg.decode_jpeg(self.jpeg, colorspace="RGB")  # type: ignore[no-any-return]


@cache
def load_split(split: Split) -> tuple[Picture, ...]:
    """The pictures of a split with all their faces."""
    files = read_tar(find(ARCHIVE))
    index = _read_index(files)
    faces: dict[int, list[dict[str, Any]]] = {}
    for face in index["annotations"]:
        faces.setdefault(face["image_id"], []).append(face)
    images = sorted(index["images"], key=lambda image: image["file_name"])
    held_out = split == "validation"
    chosen = [image for i, image in enumerate(images) if (i % VALIDATION_STEP == 0) == held_out]
    return tuple(_read_picture(files, image, faces.get(image["id"], [])) for image in chosen)


@cache
def load_close_ups(split: Split = "train") -> tuple[Picture, ...]:
    """160x160 pictures of one face each, of a split's people in LFW and CelebA; the box is an estimate."""
    pictures = []
    for dataset in ("lfw", "celeba"):
        people = identities.read_people(dataset, split)
        images = read_tar(find(identities.ARCHIVES[dataset]))
        for file, landmarks in sorted(identities.read_landmarks(dataset).items()):
            if file.split("/")[0] in people:
                box = estimate_box(landmarks)
                name = f"{dataset}/{file}"
                pictures.append(Picture(name, images[name], box[None], landmarks[None], np.zeros(1, bool)))
    return tuple(pictures)


def estimate_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The upright box xyxy around a face with these [5,2] landmarks, as WIDER's annotators would have drawn it."""
    matrix = estimate_similarity(REFERENCE_LANDMARKS, landmarks)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    centre = matrix[:, :2] @ CLOSE_UP_BOX[:2] + matrix[:, 2]
    half = CLOSE_UP_BOX[2:] * scale / 2
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def digest() -> str:
    """One SHA-256 over the archives used."""
    archives = (ARCHIVE, identities.ARCHIVES["lfw"], identities.ARCHIVES["celeba"])
    return hashlib.sha256("".join(compute_digest(find(archive)) for archive in archives).encode()).hexdigest()


def _read_index(files: dict[str, bytes]) -> dict[str, list[dict[str, Any]]]:
    """The pictures and their faces; each has what is read of it."""
    file, fields = f"{ARCHIVE}:train.json", {"images": {"id", "file_name"}, "annotations": FACE}
    try:
        index = json.loads(files.get("wider/annotations/train.json", b""))
    except ValueError as error:
        raise LabelError(file, getattr(error, "lineno", None), f"missing, or not JSON: {error}") from error
    for key, names in fields.items():
        for place, entry in enumerate(index.get(key, [{}]) if isinstance(index, dict) else [{}]):
            if not isinstance(entry, dict) or (missing := sorted(names - set(entry))):
                raise LabelError(file, None, f"{key}[{place}] has no '{missing[0]}'")
    return index  # type: ignore[no-any-return]


def _read_picture(files: dict[str, bytes], image: dict[str, Any], faces: list[dict[str, Any]]) -> Picture:
    name = image["file_name"]
    if f"wider/images/{name}" not in files:
        raise LabelError(f"{ARCHIVE}:train.json", None, f"{name} is annotated, but not in the archive")
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(files[f"wider/images/{name}"])
        boxes = np.array([face["bbox"] for face in faces], np.float32).reshape(len(faces), 4)
        points = np.array([face["keypoints"] for face in faces], np.float32).reshape(len(faces), 5, 3)
    except ValueError as error:
        raise LabelError(
            f"{ARCHIVE}:train.json", None, f"{name} or one of its faces cannot be read: {error}"
        ) from error
    boxes[:, 2:] += boxes[:, :2]
    for box in boxes.tolist():
        check_box(Row(None, "face", tuple(box)), f"{ARCHIVE}:train.json ({name})", ("face",), (height, width))
    landmarks = np.where(points[:, :, 2:] > 0, points[:, :, :2], np.float32(np.nan))
    ignored = np.array([bool(face["ignore"] or face["iscrowd"]) for face in faces], bool)
    return Picture(name, files[f"wider/images/{name}"], boxes, landmarks, ignored)
