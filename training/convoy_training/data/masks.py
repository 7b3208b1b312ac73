"""Segmentation masks as PNG class ids: CamVid (Brostow et al. 2009; SegNet's 11-class version, 480x360)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from convoy_training.data.source import compute_digest, find, read_tar
from convoy_training.errors import LabelError

ARCHIVE = "camvid_A.tar"
IGNORE = 11


@dataclass(frozen=True)
class Split:
    """images uint8 RGB [N,H,W,3], masks uint8 [N,H,W] (class ids; `IGNORE` where unlabelled), classes: their names."""

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    classes: tuple[str, ...]


@cache
def load_split(split: str) -> Split:
    """`train` (367 frames) or `validation` (101)."""
    files = read_tar(find(ARCHIVE))
    listing = f"camvid/{'val' if split == 'validation' else split}.txt"
    classes = parse_classes(files["camvid/classes.txt"].decode())
    pairs = parse_listing(files[listing].decode(), listing, set(files))
    images = [_decode(files[image], image, cv2.IMREAD_COLOR_RGB) for image, _ in pairs]
    masks = [_decode(files[mask], mask, cv2.IMREAD_UNCHANGED) for _, mask in pairs]
    for image, mask, (_, name) in zip(images, masks, pairs, strict=True):
        check_mask(mask, image.shape[:2], len(classes), name)
    return Split(np.stack(images), np.stack(masks), classes)


def digest() -> str:
    """The SHA-256 of the archive."""
    return compute_digest(find(ARCHIVE))


def parse_classes(text: str) -> tuple[str, ...]:
    """Lines `id name`; the last, unlabelled, is no class."""
    rows = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return tuple(row[-1].strip() for row in rows)[:IGNORE]


def parse_listing(text: str, file: str, present: set[str]) -> list[tuple[str, str]]:
    """Lines `image mask`; both files must exist."""
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        names = [name if name in present else f"camvid/{name}" for name in line.split()]
        if len(names) != 2:
            raise LabelError(file, number, f"expected 'image mask', found '{line}'")
        if missing := [name for name in names if name not in present]:
            raise LabelError(file, number, f"{missing[0]} does not exist")
        pairs.append((names[0], names[1]))
    return pairs


def check_mask(mask: NDArray[np.uint8], size: tuple[int, ...], classes: int, name: str) -> None:
    """Refuses a mask of another size than its image, or with an id that names no class."""
    if mask.shape != tuple(size):
        raise LabelError(name, None, f"the mask is {mask.shape}, its image {tuple(size)}")
    if (highest := int(mask.max(initial=0))) > IGNORE:
        raise LabelError(name, None, f"class id {highest}, but the classes end at {classes - 1} (ignore is {IGNORE})")


def _decode(data: bytes, name: str, flags: int) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise LabelError(name, None, "the image cannot be decoded")
    return pixels.astype(np.uint8)
