"""Reads pictures that are sorted into folders: train/<class>/*.jpg and val/<class>/*.jpg, in a folder or a tar."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

import cv2
import numpy as np
from convoy.core.manifest import GreyWindow, InputSpec
from convoy.core.pictures.decoding import Pixels
from convoy.core.pictures.resizing import min_side, place
from numpy.typing import NDArray

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.assembly import number_classes, warn_of_alike
from convoy_training.data.division import divide
from convoy_training.data.faults import add_fault, add_note, remembered
from convoy_training.data.layout import refuse_layout
from convoy_training.data.lists import ALIASES, IMAGES, check_held_out, check_kinds
from convoy_training.data.photo import DECODERS, Photo, find_photos
from convoy_training.data.reading import PLAIN, Reading
from convoy_training.errors import LabelError
from convoy_training.structures import Crop

EXPECTED = """train/<class>/*.jpg
val/<class>/*.jpg (or valid/, validation/)
or, with `split` in the recipe, <class>/*.jpg"""
ResizePolicy = Literal["center_crop", "letterbox", "stretch"]
FOLDERS = {"train": "train", "validation": "val", "test": "test"}


class Pictures:
    """The pictures of a split, each decoded when you ask for it; `size` pixels on both sides.

    resize: how the service fits a picture into them.
    """

    def __init__(self, photos: Sequence[Photo], size: int, resize: ResizePolicy = "center_crop") -> None:
        self.photos, self.size, self.input = photos, size, describe(size, resize)

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
            return place(photo.decode(min_side(self.input)).image_rgb, self.input)[0]
        return cut_crop(photo.decode().image_rgb, crop, self.size)


@dataclass(frozen=True)
class Split:
    """images: N pictures, labels int64 [N], classes: the names of the labels."""

    images: Pictures
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def through(self, window: GreyWindow) -> Split:
        """The same split, its deep grey pictures seen through a window of values."""
        photos = [replace(photo, window=window) for photo in self.images.photos]
        return replace(self, images=Pictures(photos, self.images.size))

    def name_picture(self, row: int) -> str:
        """The file of a picture."""
        return self.images.photos[row].name


@remembered
def load_split(path: str, split: str, size: int, how: Reading = PLAIN, resize: ResizePolicy = "center_crop") -> Split:
    """Loads train/, val/ (for `validation`) or test/, and decodes every picture once to check it.

    With `split` in the recipe, it divides the pictures of train/, or else of all folders.
    """
    if split not in FOLDERS:
        raise LabelError(split, None, f"this is not a split: choose one of {', '.join(FOLDERS)}")
    archive, folder = open_archive(path), FOLDERS[split]
    own = _list(archive, "train")
    train = own or (_list(archive, "") if how.division else {})
    if len(train) < 2:
        told = f"it needs at least two classes, as folders of pictures, and has {len(train)}"
        if not own and len(beside := _list(archive, "")) > 1:
            told += f"; {len(beside)} folders of pictures lie beside each other: if they are the classes, add "
            told += "`split: {val: 0.1}` to the recipe's data"
        raise refuse_layout(archive, EXPECTED, told, "train")
    classes = tuple(sorted(train))
    if how.division:
        pairs = [(name, label) for label in classes for name in train[label]]
        held_out = divide([name for name, _ in pairs], [label for _, label in pairs], how.division)
        found: dict[str, list[str]] = {label: [] for label in classes}
        for (name, label), other in zip(pairs, held_out, strict=True):
            if other == (split != "train"):
                found[label].append(name)
    else:
        found = train if split == "train" else _list(archive, folder)
    warn_of_alike(classes, how.classes)
    _check_folders(found, classes, folder, split)
    if split != "train" and not how.division:
        names = dict.fromkeys(name for label in classes for name in found.get(label, ()))
        check_held_out(archive, itertools.chain(*train.values()), names, folder)
    return _choose(archive, found, classes, Pictures([], size, resize), how)


def _check_folders(found: dict[str, list[str]], classes: tuple[str, ...], folder: str, split: str) -> None:
    for name in sorted(set(found) - set(classes)):
        meant = next((c for c in classes if c.strip().casefold() == name.strip().casefold()), None)
        told = "train/ has no class with this name" + (f": did you mean '{meant}'?" if meant else "")
        add_fault(LabelError(f"{folder}/{name}", None, told, "unknown class"))
    for name in classes:
        if found.get(name):
            continue
        told = "it is never answered" if split == "train" else "it is not measured"
        add_note("class without an example", f"{folder}/{name}", None, f"the class has no pictures: {told}")
    if not any(found.get(name) for name in classes):
        raise LabelError(folder, None, "there are no pictures", "layout")


def _choose(
    archive: Archive, found: dict[str, list[str]], classes: tuple[str, ...], pictures: Pictures, how: Reading
) -> Split:
    """The pictures that can be decoded, of the classes that the recipe chooses."""
    numbers = number_classes(classes, how.classes) if how.classes else np.arange(len(classes))
    pairs = [
        (name, int(n)) for label, n in zip(classes, numbers, strict=True) for name in found.get(label, ()) if n >= 0
    ]
    photos = find_photos(archive.files, [name for name, _ in pairs])
    kept = sorted([(photos[name], n) for name, n in pairs if name in photos], key=lambda pair: pair[1])
    seen: dict[str, tuple[str, int]] = {}
    for photo, number in kept:
        first, other = seen.setdefault(archive.compute_sum(photo.name), (photo.name, number))
        if first != photo.name:
            kind = "the same picture twice" if other == number else "the same picture in two classes"
            add_note(kind, photo.name, None, f"it is {first}, byte for byte")
    labels = np.array([number for _, number in kept], np.int64)
    names = tuple(name for name, _ in how.classes) if how.classes else classes
    pictures.photos = [photo for photo, _ in kept]
    return Split(pictures, labels, names)


def describe(size: int, resize: ResizePolicy = "center_crop") -> InputSpec:
    """The input of a classifier of this size, as the service prepares it."""
    return InputSpec(height=size, width=size, resize=resize)


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
    """The pictures of each folder below `folder`, under any of its names. Empty folders are listed too, unless the data
    is packed."""
    words = next((words for words in ALIASES.values() if folder in words), (folder,))
    place = next((word for word in words if any(name.startswith(f"{word}/") for name in archive.files)), folder)
    depth = len(PurePosixPath(place).parts)
    found: dict[str, list[str]] = {name: [] for name in archive.list_folders(place)}
    for name in sorted(archive.files):
        parts = PurePosixPath(name).parts
        if place and parts[0] != place:
            continue
        check_kinds([name])
        if "." not in parts[-1] and len(parts) >= depth + 2:
            add_note("file without ending", name, None, "it is left out: a picture's name ends in .jpg, .png or .webp")
        if name.lower().endswith(IMAGES):
            if len(parts) < depth + 2:
                told = f"the picture has no class: move it into a folder {place}/<class>/"
                add_fault(LabelError(name, None, told, "no class"))
            else:
                found.setdefault(parts[depth], []).append(name)
    return found
