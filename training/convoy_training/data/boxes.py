"""Boxes with labels in the checked form that detection trains on, from any form of file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoy_training.data.photo import Photo
from convoy_training.errors import LabelError
from convoy_training.structures import Scene


@dataclass(frozen=True)
class Example:
    """A picture with boxes_xyxy float32 [K,4], edges in its pixels, and labels int64 [K]."""

    photo: Photo
    boxes_xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]

    def decode(self, smallest: int | None = None) -> Scene:
        """The decoded picture with its boxes; `smallest` may reduce both (see `Photo.decode`)."""
        picture = self.photo.decode(smallest)
        factors: NDArray[np.float32] = np.tile(np.array(picture.scale_xy, np.float32), 2)
        return Scene(picture.image_rgb, (self.boxes_xyxy / factors).astype(np.float32), self.labels)


@dataclass(frozen=True)
class Split:
    """Examples, and the names of the labels."""

    examples: Sequence[Example]
    classes: tuple[str, ...]

    def keep(self, classes: Sequence[str]) -> Split:
        """The same pictures with only the boxes of these classes, numbered in the order of `classes`."""
        numbers = np.array([classes.index(name) if name in classes else -1 for name in self.classes])
        examples = [
            Example(e.photo, e.boxes_xyxy[numbers[e.labels] >= 0], numbers[e.labels][numbers[e.labels] >= 0])
            for e in self.examples
        ]
        return Split(examples, tuple(classes))


@dataclass(frozen=True)
class Row:
    """One box as a label file gives it, with its line, or its entry in files where lines mean nothing (JSON)."""

    line: int | None
    label: str
    box_xyxy: tuple[float, float, float, float]
    entry: str = ""


def build_example(photo: Photo, rows: Iterable[Row], file: str, classes: Sequence[str]) -> Example:
    """Checks every row against its picture and the classes; raises LabelError with file, line and reason."""
    height, width = photo.height, photo.width
    boxes, labels = [], []
    for row in rows:
        check_box(row, file, classes, (height, width))
        boxes.append(np.clip(row.box_xyxy, 0, [width, height, width, height]))
        labels.append(classes.index(row.label))
    return Example(photo, np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64))


def check_validation(split: Split, file: str) -> None:
    """Raises LabelError if the validation split has no box: every metric would be 0 at the end of the training."""
    if not any(len(example.labels) for example in split.examples):
        raise LabelError(file, None, "the validation split has no box: nothing could be measured")


def check_box(row: Row, file: str, classes: Sequence[str], size: tuple[int, int], slack: float = 1.0) -> None:
    """Raises LabelError unless the box has a known class and an area, and lies in the image.

    size: height and width of the image; the box may reach `slack` pixels out of it.
    """
    x0, y0, x1, y1 = row.box_xyxy
    entry = f"{row.entry}: " if row.entry else ""
    text = f"{entry}the box {x0:g},{y0:g},{x1:g},{y1:g}"
    if row.label not in classes:
        raise LabelError(file, row.line, f"{entry}class '{row.label}' is not one of {', '.join(classes)}")
    if not (x0 < x1 and y0 < y1):
        raise LabelError(file, row.line, f"{text} has no area")
    if x0 < -slack or y0 < -slack or x1 > size[1] + slack or y1 > size[0] + slack:
        raise LabelError(file, row.line, f"{text} leaves the image {size[1]}x{size[0]}")


def check_size(photo: Photo, stated: tuple[float, float], file: str, line: int | None = None) -> None:
    """Raises LabelError if a label file states another width and height: its boxes were drawn on another picture."""
    height, width = photo.height, photo.width
    if stated != (width, height):
        turned = ": EXIF turns it, and boxes must fit the upright picture" if stated == (height, width) else ""
        told = f"it states {stated[0]:g}x{stated[1]:g} pixels, the image has {width}x{height}{turned}"
        raise LabelError(file, line, told)


def check_classes(split: Split, file: str) -> None:
    """Raises LabelError if a class has no box to learn from."""
    present = np.bincount(np.concatenate([e.labels for e in split.examples]), minlength=len(split.classes))
    if len(empty := np.flatnonzero(present == 0)):
        reason = f"class '{split.classes[empty[0]]}' has no box in the training split: label some, or remove the class"
        raise LabelError(file, None, reason)
