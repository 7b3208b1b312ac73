"""Puts boxes and pictures together, for every form of label file: what is wrong is collected, what is odd is noted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle

import numpy as np

from convoy_training.data.archive import Archive
from convoy_training.data.boxes import Example, Row, Split, check_box, check_size
from convoy_training.data.division import divide
from convoy_training.data.faults import add_fault, add_note
from convoy_training.data.lists import check_held_out
from convoy_training.data.photo import Photo, find_photos
from convoy_training.data.reading import Chosen, Division, Reading
from convoy_training.errors import LabelError


@dataclass(frozen=True)
class Listed:
    """A picture as label files list it.

    rows, crowds: boxes, in shares of the picture if `shares`. file: where they stand. stated: width and height that the
    label file gives, in line `size_line`. line: that of the list that names the picture.
    """

    image: str
    rows: Sequence[Row]
    file: str
    crowds: Sequence[Row] = ()
    stated: tuple[float, float] | None = None
    size_file: str = ""
    size_line: int | None = None
    shares: bool = False
    line: int | None = None


@dataclass
class Pool:
    """The pictures of each split as they are listed, the classes, and the file that lists the held-out pictures."""

    classes: tuple[str, ...]
    train: list[Listed] = field(default_factory=list)
    held_out: list[Listed] = field(default_factory=list)
    file: str = ""


def assemble(archive: Archive, pool: Pool, split: str, how: Reading) -> Split:
    """Checks the pictures and boxes of a split, and chooses the recipe's classes."""
    if how.division:
        listed = pick(pool, how.division, split)
    elif split == "train":
        listed = pool.train
    else:
        held_out = {entry.image: entry.line for entry in pool.held_out}
        shared = check_held_out(archive, (entry.image for entry in pool.train), held_out, pool.file)
        listed = [entry for entry in pool.held_out if entry.image not in shared]
    warn_of_alike(pool.classes, how.classes)
    photos, examples = find_photos(archive.files, [entry.image for entry in listed]), []
    for entry in listed:
        if entry.image in photos and (example := build_example(photos[entry.image], entry, pool.classes)):
            examples.append(example)
    _note_repeated(archive, [example.photo.name for example in examples], split)
    return choose(Split(examples, pool.classes), how.classes)


def pick(pool: Pool, division: Division, split: str) -> list[Listed]:
    """The part of all pictures that is this split; a picture's class is the rarest of its boxes."""
    listed = [*pool.train, *pool.held_out]
    counts = Counter(row.label for entry in listed for row in entry.rows)
    kinds = [min((row.label for row in entry.rows), key=lambda n: (counts[n], n), default="") for entry in listed]
    chosen = divide([entry.image for entry in listed], kinds, division)
    return [entry for entry, held_out in zip(listed, chosen, strict=True) if held_out == (split != "train")]


def build_example(photo: Photo, entry: Listed, classes: Sequence[str]) -> Example | None:
    """Checks every box against its picture and the classes. None if one is wrong: a box left out would be learnt as
    background, so the whole picture goes."""
    height, width = photo.height, photo.width
    rows = [_scale(row, width, height) for row in entry.rows] if entry.shares else list(entry.rows)
    right = _check_stated(photo, entry, rows)
    kept: list[Row] = []
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        x0, y0, x1, y1 = row.box_xyxy
        where = f"{row.entry}: " if row.entry else ""
        if all(map(math.isfinite, row.box_xyxy)) and not _has_area(row, width, height):
            told = f"{where}the box {x0:g},{y0:g},{x1:g},{y1:g} has no area and is left out"
            add_note("box without area", entry.file, row.line, told)
        elif (key := (row.label, *row.box_xyxy)) in seen:
            add_note("the same box twice", entry.file, row.line, f"{where}the second one is left out")
        else:
            seen.add(key)
            try:
                check_box(row, entry.file, classes, (height, width))
            except LabelError as error:
                add_fault(error)
                right = False
            kept.append(row)
    if not right:
        return None
    crowds = [_scale(row, width, height) if entry.shares else row for row in entry.crowds if row.label in classes]
    boxes, labels = _to_arrays(kept, classes, (height, width))
    masks = tuple(row.mask for row in kept) if any(row.mask is not None for row in kept) else ()
    poses = tuple(row.pose for row in kept) if any(row.pose is not None for row in kept) else ()
    return Example(photo, boxes, labels, *_to_arrays(crowds, classes, (height, width)), masks, poses)


def choose(split: Split, chosen: Chosen) -> Split:
    """The same pictures with the chosen classes, some merged, in the recipe's order. Other boxes are left out."""
    if not chosen:
        return split
    numbers = number_classes(split.classes, chosen)
    return Split([e.renumber(numbers) for e in split.examples], tuple(name for name, _ in chosen))


def number_classes(classes: Sequence[str], chosen: Chosen) -> np.ndarray:
    """The new number of each class of the data, -1 where it is not chosen; raises LabelError for an unknown one."""
    numbers = np.full(len(classes), -1)
    for number, (_, parts) in enumerate(chosen):
        for part in parts:
            if part not in classes:
                told = f"'{part}' is not one of {list_classes(classes)}"
                raise LabelError("data.classes", None, told, "unknown class")
            numbers[classes.index(part)] = number
    return numbers


def list_classes(classes: Sequence[str], most: int = 20) -> str:
    """The names of classes for a sentence."""
    return ", ".join(classes[:most]) + (f" and {len(classes) - most} more" if len(classes) > most else "")


def warn_of_alike(classes: Iterable[str], chosen: Chosen = ()) -> None:
    """Notes classes that only capitals or blanks tell apart, unless the recipe merges them."""
    merged = {part: name for name, parts in chosen for part in parts}
    known: dict[str, str] = {}
    for name in classes:
        other = known.setdefault(name.strip().casefold(), name)
        if other != name and (name not in merged or merged[name] != merged.get(other)):
            merge = f"`classes: [{{{other}: ['{other}', '{name}']}}]` merges them"
            told = f"'{other}' and '{name}' are two classes; {merge}"
            add_note("classes alike", "data.classes", None, told)


def _has_area(row: Row, width: int, height: int) -> bool:
    x0, y0, x1, y1 = row.box_xyxy
    if not _nearly_inside(row, width, height):
        return x1 > x0 and y1 > y0
    return min(x1, width) > max(x0, 0) and min(y1, height) > max(y0, 0)


def _nearly_inside(row: Row, width: int, height: int, slack: float = 1.0) -> bool:
    x0, y0, x1, y1 = row.box_xyxy
    return x0 >= -slack and y0 >= -slack and x1 <= width + slack and y1 <= height + slack


def _scale(row: Row, width: int, height: int) -> Row:
    """The row whose box, polygons and points are shares of the picture, in its pixels."""
    x0, y0, x1, y1 = row.box_xyxy
    mask = row.mask and [_stretch(polygon, (width, height)) for polygon in row.mask]
    pose = row.pose and replace(row.pose, numbers=_stretch(row.pose.numbers, (width, height, 1)))
    return replace(row, box_xyxy=(x0 * width, y0 * height, x1 * width, y1 * height), mask=mask, pose=pose)


def _stretch(numbers: Sequence[float], factors: Sequence[int]) -> list[float]:
    return [number * factor for number, factor in zip(numbers, cycle(factors), strict=False)]


def _to_arrays(rows: Sequence[Row], classes: Sequence[str], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    boxes = [np.clip(row.box_xyxy, 0, [size[1], size[0], size[1], size[0]]) for row in rows]
    labels = [classes.index(row.label) for row in rows]
    return np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64)


def _check_stated(photo: Photo, entry: Listed, rows: Sequence[Row]) -> bool:
    """Whether the size in the label file is the picture's. Sides that a tool has exchanged are noted, if no EXIF turns
    the picture and all boxes lie inside it; so is a size of nothing."""
    if entry.stated is None:
        return True
    file = entry.size_file or entry.file
    if not any(entry.stated):
        add_note("no size", file, entry.size_line, "it states 0x0 pixels; the picture's own size is taken")
        return True
    turned = photo.height != photo.width and entry.stated == (photo.height, photo.width)
    if turned and not photo.is_turned() and all(_nearly_inside(row, photo.width, photo.height) for row in rows):
        told = f"it states {entry.stated[0]:g}x{entry.stated[1]:g}; the boxes fit {photo.width}x{photo.height}"
        add_note("width and height exchanged", file, entry.size_line, told)
        return True
    try:
        check_size(photo, entry.stated, file, entry.size_line)
    except LabelError as error:
        add_fault(error)
        return False
    return True


def _note_repeated(archive: Archive, names: Iterable[str], split: str) -> None:
    known: dict[str, str] = {}
    for name in names:
        first = known.setdefault(archive.compute_sum(name), name)
        if first != name:
            add_note("the same picture twice", name, None, f"it is {first}, byte for byte, also in {split}")
