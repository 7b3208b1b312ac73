"""Segmentation masks as PNG class ids: train.txt and val.txt with lines `image mask`, and a classes.txt.

CamVid (Brostow et al. 2009; SegNet's 11-class version, 480x360) comes so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.boxes import decode
from convoy_training.errors import LabelError

UNLABELLED = "unlabelled"
IGNORE = 255


@dataclass(frozen=True)
class Split:
    """images uint8 RGB [H,W,3] each; masks uint8 [H,W], class ids or IGNORE; classes: their names."""

    images: Sequence[NDArray[np.uint8]]
    masks: Sequence[NDArray[np.uint8]]
    classes: tuple[str, ...]


@cache
def load_split(path: str, split: str) -> Split:
    """The pairs listed in train.txt or, for `validation`, val.txt."""
    archive = open_archive(path)
    names = parse_classes(archive.read_text("classes.txt"))
    classes = tuple(name for name in names if name.lower() != UNLABELLED)
    listing = f"{'val' if split == 'validation' else split}.txt"
    images, masks = [], []
    for image_name, mask_name in parse_listing(archive, listing):
        images.append(decode(archive.files[image_name], image_name))
        masks.append(read_mask(archive.files[mask_name], mask_name, images[-1].shape[:2], names))
    if not images:
        raise LabelError(listing, None, "it lists no images")
    return Split(images, masks, classes)


def parse_classes(text: str) -> tuple[str, ...]:
    """Lines `id name` or `name`; the one that is called unlabelled, if any, is last and is ignored."""
    return tuple(line.split(maxsplit=1)[-1].strip() for line in text.splitlines() if line.strip())


def parse_listing(archive: Archive, file: str) -> list[tuple[str, str]]:
    """Lines `image mask`; both files must exist."""
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(archive.read_text(file).splitlines(), 1):
        if len(names := line.split()) != 2:
            raise LabelError(file, number, f"expected 'image mask', found '{line}'")
        image, mask = (archive.find(name, file, number) for name in names)
        pairs.append((image, mask))
    return pairs


def read_mask(data: bytes, file: str, size: tuple[int, ...], names: Sequence[str]) -> NDArray[np.uint8]:
    """Class ids [H,W]; refuses a mask of another size than its image, or with an id that names no class."""
    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if mask is None:
        raise LabelError(file, None, "the mask cannot be decoded")
    if mask.shape != tuple(size):
        raise LabelError(file, None, f"the mask is {mask.shape}, its image {tuple(size)}")
    present = np.unique(mask)
    unknown = [int(v) for v in present if v >= len(names) and v != IGNORE]
    if unknown:
        raise LabelError(file, None, f"class id {unknown[0]}, but classes.txt ends at {len(names) - 1}")
    ignored = np.array([name.lower() == UNLABELLED for name in names] + [False] * (256 - len(names)))
    return np.where(ignored[mask], IGNORE, mask).astype(np.uint8)


def check_classes(split: Split, file: str) -> None:
    """Every class has a pixel to learn from."""
    present = np.sum([np.bincount(mask.ravel(), minlength=256) for mask in split.masks], axis=0)[: len(split.classes)]
    if len(empty := np.flatnonzero(present == 0)):
        reason = f"class '{split.classes[empty[0]]}' has no pixel in the training masks: label some, or remove it"
        raise LabelError(file, None, reason)
