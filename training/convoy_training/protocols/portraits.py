"""Portraits of held-out people, shown in a frame at any size and angle."""

from __future__ import annotations

import cv2
import numpy as np
from convoy.core.pictures.decoding import Pixels, decode_image
from numpy.typing import NDArray

from convoy_training.data.identities import ARCHIVES, Split, list_files
from convoy_training.data.source import find, read_tar

WIDTH, HEIGHT = 960, 1280
GREY = (110, 110, 110)

Floats = NDArray[np.float32]


def read_portraits(split: Split, count: int) -> list[Pixels]:
    """One portrait of each of `count` people: half of them from CelebA if it has so many, the others from LFW."""
    celeba = _read(split, "celeba", count // 2)
    return _read(split, "lfw", count - len(celeba)) + celeba


def _read(split: Split, dataset: str, count: int) -> list[Pixels]:
    firsts: dict[str, str] = {}
    for file in list_files((dataset,), split):
        firsts.setdefault(file.rsplit("/", 1)[0], file)
    rows = np.linspace(0, len(firsts) - 1, min(count, len(firsts))).round().astype(int)
    files, names = read_tar(find(ARCHIVES[dataset])), list(firsts.values())
    return [decode_image(files[names[row]]).image_rgb for row in rows]


def show(portrait: Pixels, box_xyxy: Floats, share: float, degrees: float = 0.0) -> tuple[Pixels, Floats]:
    """Places the portrait in a frame of 960x1280, its face in the middle at this share of the frame's height.

    box_xyxy [4]: the face in the portrait; degrees: turned by so much, counterclockwise. Also returns the [2,3] matrix
    from the portrait to the frame.
    """
    scale = share * HEIGHT / float(box_xyxy[3] - box_xyxy[1])
    # Enlarged or reduced first, because a warp neither smooths nor averages well.
    size = (max(1, round(portrait.shape[1] * scale)), max(1, round(portrait.shape[0] * scale)))
    scaled = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    middle = (box_xyxy[:2] + box_xyxy[2:]) / 2 * scale
    moved = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), degrees, 1.0)
    moved = np.asarray(moved, np.float64)
    moved[:, 2] = moved[:, 2] + np.array([WIDTH, HEIGHT]) / 2 - middle
    frame = cv2.warpAffine(scaled, moved, (WIDTH, HEIGHT), borderMode=cv2.BORDER_CONSTANT, borderValue=GREY)
    return np.asarray(frame, np.uint8), np.column_stack([moved[:, :2] * scale, moved[:, 2]]).astype(np.float32)


def whole(portrait: Pixels) -> Floats:
    """The box of a whole portrait, edge to edge."""
    height, width = portrait.shape[:2]
    return np.array([0, 0, width, height], np.float32)


def map_box(box_xyxy: Floats, matrix: Floats) -> Floats:
    """A box in the frame, clipped at its border."""
    corners = box_xyxy.reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(np.clip(corners, 0, [WIDTH, HEIGHT]).reshape(4), np.float32)


def unmap_box(box_xyxy: Floats, matrix: Floats) -> Floats:
    """A box of the frame in the portrait that was not turned."""
    return np.asarray(((box_xyxy.reshape(2, 2) - matrix[:, 2]) / matrix[0, 0]).reshape(4), np.float32)
