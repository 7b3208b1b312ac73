"""Classifiers of faces: is it a living person, is there a mask, how old. They are imported; none comes with Convoy.

Each sees the face in its own way: the square around it that its manifest's face_crop says, at its own size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import Manifest
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.resizing import place
from convoy.faces.task import DetectedFace


@dataclass(frozen=True)
class Attribute:
    """What a classifier says of a face: its most probable label, and how probable that is, 0 to 1."""

    model: Manifest
    label: str
    score: float


def prepare(picture: Picture, face: DetectedFace, manifest: Manifest) -> Pixels:
    """A face classifier's input [H, W, 3]."""
    square = cut_square(picture, face, manifest.input.face_crop or 1.0)
    return place(square, manifest.input)[0]


def cut_square(picture: Picture, face: DetectedFace, multiple: float) -> Pixels:
    """Cut the square around a face whose side is so many times the longer side of its box.

    At the picture's edge the square moves inwards. One that is larger than the picture goes on as the picture's edge
    does, since anti-spoofing networks take a straight black edge for that of a print.
    """
    scale = np.asarray(picture.scale_xy, np.float32)
    corners = face.box_xyxy.reshape(2, 2) / scale
    side = max(1, round(float((corners[1] - corners[0]).max()) * multiple))
    height, width = picture.image_rgb.shape[:2]
    left, top = (round(float(middle) - side / 2) for middle in corners.mean(axis=0))
    left, top = _move_inside(left, side, width), _move_inside(top, side, height)
    x_min, y_min, x_max, y_max = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    part = picture.image_rgb[y_min:y_max, x_min:x_max]
    missing = (y_min - top, top + side - y_max, x_min - left, left + side - x_max)
    if not any(missing):
        return part
    return np.asarray(cv2.copyMakeBorder(part, *missing, cv2.BORDER_REPLICATE), np.uint8)


def _move_inside(start: int, side: int, length: int) -> int:
    """Where a stretch of this side starts that lies inside the length, or about its middle if it is longer."""
    return (length - side) // 2 if side > length else min(max(start, 0), length - side)


def read_attribute(outputs: Outputs, manifest: Manifest) -> Attribute:
    """Read the most probable label. outputs: one row, probabilities [C]."""
    probabilities = np.asarray(outputs["probabilities"], np.float32)
    best = int(np.argmax(probabilities))
    return Attribute(manifest, manifest.labels[best], float(probabilities[best]))


def read_liveness(rows: Sequence[tuple[Outputs, Manifest]], label: str) -> float:
    """Compute the mean probability of the label that means a living person, over the networks that judge it."""
    values = [outputs["probabilities"][manifest.labels.index(label)] for outputs, manifest in rows]
    return float(np.mean(np.asarray(values, np.float32)))


def check_classifier(manifest: Manifest, live_label: str | None) -> None:
    """Raise FailedPrecondition(BAD_MODEL) unless a model judges faces, and has the label that means a living person."""
    name, label = f"{manifest.name}:{manifest.version}", live_label
    if manifest.input.face_crop is None:
        message = f"{name} takes whole pictures, not faces: import it with --face-crop"
        raise FailedPrecondition("BAD_MODEL", message, {"model": name})
    if label is not None and label not in manifest.labels:
        known = ", ".join(manifest.labels)
        message = f"{name} has no label {label!r}, only {known}: set CONVOY_FACE_LIVENESS_LABEL to what means alive"
        raise FailedPrecondition("BAD_MODEL", message, {"model": name})
