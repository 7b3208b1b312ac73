"""Reads pictures that are sorted into folders: train/<class>/*.jpg and val/<class>/*.jpg, in a folder or a tar."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

import cv2
import numpy as np
from convoy.core.manifest import InputSpec
from convoy.core.pictures.decoding import Pixels
from convoy.core.pictures.resizing import min_side, place
from numpy.typing import NDArray

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.lists import IMAGES, check_held_out, check_kinds
from convoy_training.data.photo import DECODERS, Photo, open_photos
from convoy_training.errors import LabelError
from convoy_training.structures import Crop

FOLDERS = {"train": "train", "validation": "val", "test": "test"}


class Pictures:
    """The pictures of a split, each decoded when you ask for it; `size` pixels on both sides."""

    def __init__(self, photos: Sequence[Photo], size: int) -> None:
        self.photos, self.size = photos, size

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        """The middle squares [N,S,S,3], cut as the service cuts them."""
        return self.read(range(len(self))[rows])

    def read(self, rows: Iterable[int], crops: Sequence[Crop] | None = None) -> NDArray[np.uint8]:
        """The crop of each row, or its middle square: [N,S,S,3]."""
        chosen = list(rows)
        cuts = DECODERS.map(self._read, chosen, crops or [None] * len(chosen))
        return np.stack(list(cuts)) if chosen else np.zeros((0, self.size, self.size, 3), np.uint8)

    def _read(self, row: int, crop: Crop | None) -> Pixels:
        photo = self.photos[row]
        if crop is None:
            return cut_middle(photo.decode(min_side(describe(self.size))).image_rgb, self.size)
        return cut_crop(photo.decode().image_rgb, crop, self.size)


@dataclass(frozen=True)
class Split:
    """images: N pictures, labels int64 [N], classes: the names of the labels."""

    images: Pictures
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


@cache
def load_split(path: str, split: str, size: int) -> Split:
    """Loads train/, val/ (for `validation`) or test/, and decodes every picture once to check it."""
    if split not in FOLDERS:
        raise LabelError(split, None, f"this is not a split: choose one of {', '.join(FOLDERS)}")
    archive, folder = open_archive(path), FOLDERS[split]
    classes = find_classes(archive)
    found = _list(archive, folder)
    if unknown := sorted(set(found) - set(classes)):
        raise LabelError(f"{folder}/{unknown[0]}", None, "train/ has no class with this name")
    for name in classes:
        if not found.get(name):
            raise LabelError(f"{folder}/{name}", None, "the class has no pictures")
    names = [name for label in classes for name in found[label]]
    if split != "train":
        check_held_out(archive, itertools.chain(*_list(archive, "train").values()), dict.fromkeys(names), folder)
    labels = np.array([number for number, label in enumerate(classes) for _ in found[label]], np.int64)
    return Split(Pictures(open_photos(archive.files, names), size), labels, classes)


def find_classes(archive: Archive) -> tuple[str, ...]:
    """The names of the folders below train/, sorted; raises LabelError if there are fewer than two."""
    classes = tuple(sorted(_list(archive, "train")))
    if len(classes) < 2:
        raise LabelError(
            "train", None, f"it needs at least two classes, as folders of pictures, and has {len(classes)}"
        )
    return classes


def cut_middle(image: Pixels, size: int) -> Pixels:
    """The middle square [S,S,3], as the service cuts it."""
    return place(image, describe(size))[0]


def describe(size: int) -> InputSpec:
    """The input of a classifier of this size, as the service prepares it."""
    return InputSpec(height=size, width=size, resize="center_crop")


def cut_crop(image: Pixels, crop: Crop, size: int) -> Pixels:
    """The crop of a picture, resized to [S,S,3]; a side is never longer than the picture's."""
    height, width = image.shape[:2]
    pixels = crop.area * height * width
    columns = min(width, max(1, round(math.sqrt(pixels * crop.aspect))))
    rows = min(height, max(1, round(math.sqrt(pixels / crop.aspect))))
    x, y = round(crop.left * (width - columns)), round(crop.top * (height - rows))
    how = cv2.INTER_AREA if columns > size and rows > size else cv2.INTER_LINEAR
    cut = cv2.resize(image[y : y + rows, x : x + columns], (size, size), interpolation=how)
    return cut  # type: ignore[return-value]


def _list(archive: Archive, folder: str) -> dict[str, list[str]]:
    """The pictures of each folder below `folder`. Empty folders are listed too, unless the data is a tar."""
    found: dict[str, list[str]] = {name: [] for name in archive.list_folders(folder)}
    for name in sorted(archive.files):
        parts = PurePosixPath(name).parts
        if parts[0] != folder:
            continue
        check_kinds([name])
        if name.lower().endswith(IMAGES):
            if len(parts) < 3:
                raise LabelError(name, None, f"the picture has no class: move it into a folder {folder}/<class>/")
            found.setdefault(parts[1], []).append(name)
    return found
