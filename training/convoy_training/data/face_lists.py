"""Parses lists of labelled faces: WIDER FACE's own (Yang et al. 2016), RetinaFace's (Deng et al. 2020), COCO JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoy_training.data import coco
from convoy_training.data.face_pictures import UNKNOWN, Face, Listed
from convoy_training.errors import LabelError

WIDER_FIELDS = ("x", "y", "w", "h", "blur", "expression", "illumination", "invalid", "occlusion", "pose")
INVALID = WIDER_FIELDS.index("invalid")
BOX, LANDMARKS = 4, 15
"""How many numbers a box takes, and five landmarks as x, y, visible."""


def parse_wider(text: str, file: str) -> list[Listed]:
    """Parses `name`, `count` and then `count` lines of ten numbers; a line of zeros may follow a count of 0.

    A face marked invalid is ignored, as in the official evaluation: it is neither a face to find nor background. Faces
    without width or height, of which WIDER FACE has some, are dropped.
    """
    rows = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    listed, at = [], 0
    while at < len(rows):
        line, name = rows[at]
        if read_numbers(name) is not None:
            raise LabelError(file, line, f"expected the name of a picture, found '{name}': the count above is wrong")
        if at + 1 == len(rows) or not rows[at + 1][1].isdecimal():
            raise LabelError(file, line, f"the line after {name} must hold the number of its faces")
        count = int(rows[at + 1][1])
        block, at = rows[at + 2 : at + 2 + count], at + 2 + count
        if len(block) < count:
            raise LabelError(file, line, f"{name} has {count} faces, but the list ends after {len(block)}")
        if count == 0 and at < len(rows) and read_numbers(rows[at][1]) == [0] * len(WIDER_FIELDS):
            at += 1
        faces = [_read_wider_face(row, file, number) for number, row in block]
        listed.append(Listed(name, line, [face for face in faces if _has_size(face)]))
    return listed


def parse_retinaface(text: str, file: str) -> list[Listed]:
    """Parses `# name`, then a line for each face: a box x y w h, optionally with five landmarks and then a score.

    A landmark is x y visible: 0 can be seen, 1 is hidden, -1 is unknown. Seen and hidden ones are both used.
    """
    listed: list[tuple[str, int, list[Face]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            listed.append((line[1:].strip(), number, []))
        elif line.strip():
            if not listed:
                raise LabelError(file, number, "a face stands before the first line with `# name of a picture`")
            face = _read_retinaface_face(line, file, number)
            listed[-1][2].extend([face] if _has_size(face) else [])
    return [Listed(*entry) for entry in listed]


def parse_coco(text: str, file: str) -> list[Listed]:
    """Parses COCO JSON with `keypoints`, five times x, y, visible (0: unknown).

    Faces are the category `face`, or the only category. Crowds and annotations with `ignore` become ignored faces.
    """
    document = coco.parse(text, file)
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    if len(names) > 1 and "face" not in names.values():
        raise LabelError(file, None, f"none of the categories {', '.join(map(str, names.values()))} is called 'face'")
    label = "face" if "face" in names.values() else next(iter(names.values()), "face")
    faces: dict[Any, list[Face]] = {image["id"]: [] for image in document["images"]}
    for place, annotation in enumerate(document["annotations"]):
        row = coco.read_annotation(annotation, names, file, place)
        if annotation["image_id"] not in faces:
            raise LabelError(file, None, f"annotations[{place}]: image_id {annotation['image_id']} is not in the file")
        if row.label == label:
            ignored = bool(annotation.get("ignore") or annotation.get("iscrowd"))
            landmarks = _read_keypoints(annotation.get("keypoints"), file, place)
            faces[annotation["image_id"]].append(Face(None, tuple(annotation["bbox"]), landmarks, ignored))
    return [Listed(image["file_name"], None, faces[image["id"]]) for image in document["images"]]


def read_numbers(line: str) -> list[float] | None:
    """The numbers of a line; None if it holds anything but finite numbers."""
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _has_size(face: Face) -> bool:
    return 0 not in face.box_xywh[2:]


def _read_wider_face(row: str, file: str, line: int) -> Face:
    numbers = read_numbers(row)
    if numbers is None or len(numbers) != len(WIDER_FIELDS):
        told = f"expected a face as ten numbers `{' '.join(WIDER_FIELDS)}`, found '{row}'"
        raise LabelError(file, line, f"{told}: the line or the count above is wrong")
    return Face(line, tuple(numbers[:BOX]), UNKNOWN, bool(numbers[INVALID]))


def _read_retinaface_face(row: str, file: str, line: int) -> Face:
    numbers = read_numbers(row)
    if numbers is None:
        raise LabelError(file, line, f"expected numbers, found '{row}'")
    if len(numbers) not in (BOX, BOX + LANDMARKS, BOX + LANDMARKS + 1):
        told = "expected `x y w h`, or these, five landmarks as `x y visible` and a score, 20 numbers together"
        raise LabelError(file, line, f"{told}; found {len(numbers)}")
    if len(numbers) == BOX:
        return Face(line, tuple(numbers), UNKNOWN, False)
    points = np.array(numbers[BOX : BOX + LANDMARKS], np.float32).reshape(5, 3)
    return Face(line, tuple(numbers[:BOX]), _keep_known(points, points[:, 2] >= 0), False)


def _read_keypoints(keypoints: Any, file: str, place: int) -> NDArray[np.float32]:
    if not keypoints:
        return UNKNOWN
    try:
        points = np.array(keypoints, np.float32).reshape(5, 3)
    except (TypeError, ValueError):
        raise LabelError(file, None, f"annotations[{place}]: keypoints are not five points x, y, visible") from None
    return _keep_known(points, points[:, 2] > 0)


def _keep_known(points: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """All five landmarks [5,2], or none of them: alignment needs all five."""
    return points[:, :2] if known.all() else UNKNOWN
