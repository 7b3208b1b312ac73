"""Reads segmentation masks: PNGs of class ids or palette indices, listed as `image mask` in train.txt and val.txt.

classes.txt names the classes. CamVid (Brostow et al. 2009; SegNet's 11-class version, 480x360) has this form. With
`split` in the recipe, pictures below images/ and masks of the same names below masks/ are enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePosixPath

import numpy as np
from convoy.core.manifest import GreyWindow
from numpy.typing import NDArray

from convoy_training.data import roboflow_masks
from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.assembly import number_classes, warn_of_alike
from convoy_training.data.division import divide
from convoy_training.data.faults import add_fault, add_note, remembered
from convoy_training.data.layout import refuse_layout
from convoy_training.data.lists import ALIASES, CLASSES, IMAGES, check_held_out, number_lines, parse_classes
from convoy_training.data.mask_files import IGNORE, read_ids, read_mask
from convoy_training.data.photo import Photo, check_each, find_photos
from convoy_training.data.reading import PLAIN, Reading
from convoy_training.errors import LabelError

UNLABELLED = frozenset({"unlabelled", "unlabeled", "void", "ignore", "ignored"})
"""Names of classes that are neither learnt nor measured."""
FEW = 0.01
"""A class of two with fewer pixels than this share of the ignored ones was perhaps meant by what is ignored."""
EXPECTED = """classes.txt
train.txt, val.txt: lines `image mask`
or, with `split` in the recipe, images/ and masks/ with the same names"""


@dataclass(frozen=True)
class Example:
    """A picture and the name of its mask; numbers [256]: the class of each id in it, IGNORE, or -1 for none.

    white: whether 255 is the second class here, and not what is ignored.
    """

    photo: Photo
    mask: str
    numbers: tuple[int, ...]
    white: bool = False

    def read_mask(self) -> NDArray[np.uint8]:
        """Class ids or IGNORE [H,W], at the picture's full size."""
        size = (self.photo.height, self.photo.width)
        return read_mask(self.photo.files[self.mask], self.mask, size, self.numbers, white=self.white)


@dataclass(frozen=True)
class Split:
    """Examples, the names of the classes, and the number of pixels of each class, int64 [C].

    ignored: the number of pixels that belong to no class.
    """

    examples: Sequence[Example]
    classes: tuple[str, ...]
    pixels: NDArray[np.int64]
    ignored: int = 0

    def through(self, window: GreyWindow) -> Split:
        """The same split, its deep grey pictures seen through a window of values."""
        return replace(self, examples=[replace(e, photo=replace(e.photo, window=window)) for e in self.examples])


def build_split(
    archive: Archive, pairs: Sequence[tuple[str, str]], names: tuple[str, ...], how: Reading = PLAIN,
    white: frozenset[str] = frozenset(),
) -> Split:  # fmt: skip
    """Builds a split of (image, mask) pairs and reads each once. names: of the ids; white: masks of 0 and 255."""
    classes, numbers = number_ids(names, how)
    photos = find_photos(archive.files, [image for image, _ in pairs])
    opened = [Example(photos[i], mask, numbers, mask in white) for i, mask in pairs if i in photos]
    pixels, examples = np.zeros(256, np.int64), []
    for example, counts in zip(opened, check_each(_count, opened, "checking masks"), strict=True):
        if isinstance(counts, LabelError):
            add_fault(counts)
        else:
            pixels += counts
            examples.append(example)
    return Split(examples, classes, pixels[: len(classes)], int(pixels[IGNORE]))


def _count(example: Example) -> NDArray[np.int64] | LabelError:
    try:
        return np.bincount(example.read_mask().ravel(), minlength=256)
    except LabelError as error:
        return error


def number_ids(names: Sequence[str], how: Reading = PLAIN) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes to learn, and the class of each id of the masks (IGNORE; -1 where there is none).

    With `classes` in the recipe, what is not chosen is ignored.
    """
    learnt = tuple(name for name in names if name.lower() not in UNLABELLED)
    numbers = number_classes(names, how.classes) if how.classes else np.array([
        learnt.index(name) if name in learnt else IGNORE for name in names
    ])  # fmt: skip
    classes = tuple(name for name, _ in how.classes) if how.classes else learnt
    table = np.full(256, -1)
    table[: len(names)] = np.where(numbers < 0, IGNORE, numbers)
    table[IGNORE] = IGNORE
    return classes, tuple(table.tolist())


@remembered
def load_split(path: str, split: str, how: Reading = PLAIN) -> Split:
    """Loads the pairs that train.txt or, for `validation`, val.txt lists."""
    archive = open_archive(path)
    names = _find_names(archive)
    warn_of_alike(names, how.classes)
    train, held_out, listing = _list_pairs(archive, how)
    if split not in ("train", "validation"):
        listing = f"{split}.txt"
        held_out = _parse_listing(archive, listing)
    white = _find_white(path, names, how) if how.white == "auto" else frozenset(
        mask for _, _, mask in (*train, *held_out) if how.white == "class"
    )  # fmt: skip
    if split == "train":
        return build_split(archive, [(image, mask) for _, image, mask in train], names, how, white)
    if not how.division:
        lines = {image: line for line, image, _ in held_out}
        shared = check_held_out(archive, [image for _, image, _ in train], lines, listing)
        held_out = [entry for entry in held_out if entry[1] not in shared]
    return build_split(archive, [(image, mask) for _, image, mask in held_out], names, how, white)


Line = tuple[int, str, str]
"""The number of a line, the image and the mask that it names."""


def _find_names(archive: Archive) -> tuple[str, ...]:
    if exported := roboflow_masks.find_splits(archive):
        return roboflow_masks.read_names(archive, exported["train"])
    if CLASSES not in archive.files:
        raise refuse_layout(archive, EXPECTED, f"{CLASSES}: the file does not exist")
    return parse_classes(archive.read_text(CLASSES))


def _list_pairs(archive: Archive, how: Reading) -> tuple[list[Line], list[Line], str]:
    """The lines of training and validation, and the file of the latter; the split that nobody needs may be missing."""
    if how.division:
        entries = _list_every(archive)
        chosen = divide([image for _, image, _ in entries], [""] * len(entries), how.division)
        parts: tuple[list[Line], list[Line]] = ([], [])
        for entry, held_out in zip(entries, chosen, strict=True):
            parts[held_out].append(entry)
        return *parts, "split"
    if exported := roboflow_masks.find_splits(archive):
        pairs = {key: roboflow_masks.list_pairs(archive, folder) for key, folder in exported.items()}
        return pairs["train"], pairs.get("val", []), exported.get("val", "val")
    found = [next((f"{word}.txt" for word in ALIASES[key] if f"{word}.txt" in archive.files), f"{key}.txt")
             for key in ("train", "val")]  # fmt: skip
    if found[0] not in archive.files:
        raise refuse_layout(archive, EXPECTED, f"{found[0]}: the file does not exist")
    return (
        _parse_listing(archive, found[0]),
        _parse_listing(archive, found[1]) if found[1] in archive.files else [],
        found[1],
    )


def _list_every(archive: Archive) -> list[Line]:
    """All pairs: those of the lists, or pictures and masks of the same name in two folders."""
    if exported := roboflow_masks.find_splits(archive):
        return [pair for folder in exported.values() for pair in roboflow_masks.list_pairs(archive, folder)]
    lists = [f"{word}.txt" for key in ("train", "val") for word in ALIASES[key] if f"{word}.txt" in archive.files]
    if lists:
        return [entry for file in lists for entry in _parse_listing(archive, file)]
    stems: dict[str, dict[str, str]] = {"images": {}, "masks": {}}
    for name in archive.files:
        folder, _, rest = name.partition("/")
        if folder in stems:
            stems[folder][str(PurePosixPath(rest).with_suffix(""))] = name
    for stem in stems["images"]:
        if stem not in stems["masks"]:
            add_fault(LabelError(stems["images"][stem], None, f"masks/{stem}.png does not exist", "missing mask"))
    pairs = [(0, image, stems["masks"][stem]) for stem, image in stems["images"].items() if stem in stems["masks"]]
    if not pairs:
        raise refuse_layout(archive, EXPECTED, "there are no pictures with masks")
    return [pair for pair in pairs if pair[1].lower().endswith(IMAGES)]


def parse_listing(archive: Archive, file: str) -> Iterator[Line]:
    """The lines `image mask` with their numbers; a line that names no two files is a fault."""
    for number, line in number_lines(archive.read_text(file)):
        if len(names := line.split("\t" if "\t" in line else None)) != 2:
            reason = f"expected 'image mask', found '{line}'; separate names that hold blanks with a tab"
            add_fault(LabelError(file, number, reason, "line unreadable"))
            continue
        try:
            image, mask = (archive.find(name, file, number) for name in names)
            yield number, image, mask
        except LabelError as error:
            add_fault(error)


def _parse_listing(archive: Archive, file: str) -> list[Line]:
    if not any(number_lines(archive.read_text(file))):
        raise LabelError(file, None, "it lists no images")
    entries = list(parse_listing(archive, file))
    known: dict[str, Line] = {}
    for entry in entries:
        first = known.setdefault(entry[1], entry)
        if first is not entry:
            add_note("picture listed twice", file, entry[0], f"{entry[1]} is in line {first[0]} too")
    return entries


@cache
def _survey(path: str, masks: tuple[str, ...]) -> tuple[frozenset[int], ...]:
    """The ids in each mask; none for a mask that cannot be read, which is told of when its turn comes."""
    archive = open_archive(path)

    def list_ids(name: str) -> frozenset[int]:
        try:
            return frozenset(np.unique(read_ids(archive.files[name], name)).tolist())
        except LabelError:
            return frozenset()

    return tuple(check_each(list_ids, masks, "looking at masks"))


def _find_white(path: str, names: Sequence[str], how: Reading) -> frozenset[str]:
    """The masks of two classes that hold 0 and 255 in place of 0 and 1: many tools write them so.

    That is so if no mask of the whole set holds 1 and 255 together, which would make 255 what is ignored.
    """
    if len([name for name in names if name.lower() not in UNLABELLED]) != 2 or len(names) != 2:
        return frozenset()
    archive = open_archive(path)
    train, held_out, _ = _list_pairs(archive, how)
    masks = tuple(dict.fromkeys(mask for _, _, mask in (*train, *held_out)))
    ids = _survey(path, masks)
    white = [mask for mask, held in zip(masks, ids, strict=True) if 255 in held and held <= {0, 255}]
    if not white or any({1, 255} <= held for held in ids):
        return frozenset()
    others = sum(1 in held for held in ids)
    told = f"it holds 0 and 255, read as '{names[0]}' and '{names[1]}'; `white: ignored` in the recipe ignores 255"
    kind = "masks of 0 and 255 among masks of 0 and 1" if others else "masks of 0 and 255"
    for mask in white:
        add_note(kind, mask, None, told)
    return frozenset(white)


def check_classes(split: Split, file: str) -> None:
    """Notes every class that has no pixel to learn from; raises LabelError if fewer than two have one."""
    for name, count in zip(split.classes, split.pixels, strict=True):
        if not count:
            told = f"class '{name}' has no pixel in the training masks: it is never found"
            add_note("class without an example", file, None, told)
    shown = [name for name, count in zip(split.classes, split.pixels, strict=True) if count]
    if len(shown) < 2:
        told = f"the training masks show fewer than two classes ({', '.join(shown) or 'none'}): label some"
        told += f". {split.ignored:,} pixels are ignored: those of 255, and of classes that are called " * bool(
            split.ignored
        )
        told += f"{', '.join(sorted(UNLABELLED))}, which you rename to learn them" * bool(split.ignored)
        raise LabelError(file, None, told)
    if len(split.classes) == 2 and int(min(split.pixels)) < FEW * split.ignored:
        name = split.classes[int(np.argmin(split.pixels))]
        told = f"'{name}' has {int(min(split.pixels)):,} pixels, and {split.ignored:,} are ignored, as 255 is in masks "
        told += "that also hold 1: if 255 means a class here, save it as its id"
        add_note("nearly all ignored", file, None, told)


def check_validation(split: Split, file: str) -> None:
    """Notes every class that cannot be measured; raises LabelError if none can, since no pixel is labelled."""
    if not split.pixels.any():
        raise LabelError(file, None, "the validation masks label no pixel: nothing could be measured")
    for name, count in zip(split.classes, split.pixels, strict=True):
        if not count:
            told = f"class '{name}' has no pixel in the validation masks: it is not measured"
            add_note("class without an example", file, None, told)
