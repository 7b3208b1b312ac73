"""Boxes with labels in the checked form that detection trains on, from any form of file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from convoy.core.manifest import GreyWindow
from convoy.core.pictures.decoding import Picture
from numpy.typing import NDArray

from convoy_training.data.faults import add_note
from convoy_training.data.photo import Photo
from convoy_training.errors import LabelError
from convoy_training.structures import CROWD, Places, Scene

UNKNOWN = "unknown class"
Map = NDArray[np.uint16]


@dataclass(frozen=True)
class Example:
    """A picture with boxes_xyxy float32 [K,4], edges in its pixels, and labels int64 [K].

    crowds_xyxy, crowd_labels: regions with many objects that nobody has told apart. They are no boxes to learn, and
    what is found in them is neither right nor wrong (COCO's `iscrowd`). masks: of each box, as COCO's `segmentation`,
    None where there is none; empty for labels that know no masks. poses: of each box, as its label file gives its
    points, empty likewise; places: what a recipe takes of them (see `with_points`).
    """

    photo: Photo
    boxes_xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowds_xyxy: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    crowd_labels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    masks: tuple[Any, ...] = ()
    poses: tuple[Any, ...] = ()
    places: Places | None = None

    def decode(
        self, smallest: int | None = None, draw: Callable[[tuple[int, int]], Map] | None = None,
        longest: int | None = None,
    ) -> Scene:  # fmt: skip
        """The decoded picture with its boxes; `smallest` may reduce both (see `Photo.decode`).

        draw: makes the map of the objects at a height and width. longest: pixels that the longer side keeps, at least,
        when a picture of twice as many or more is reduced.
        """
        picture = _bound(self.photo.decode(smallest), longest)
        factors: NDArray[np.float32] = np.tile(np.array(picture.scale_xy, np.float32), 2)
        boxes = (self.boxes_xyxy / factors).astype(np.float32)
        instances, places = draw(picture.image_rgb.shape[:2]) if draw else None, self.places
        if places is not None:
            scales = np.array([*picture.scale_xy, 1], np.float32)
            places = replace(places, points=np.divide(places.points, scales, dtype=np.float32))
        return Scene(picture.image_rgb, boxes, self.labels, instances, places)

    def with_crowds(self) -> Example:
        """The same picture whose crowds stand among the boxes, with labels from CROWD down."""
        if not len(self.crowd_labels):
            return self
        boxes = np.concatenate([self.boxes_xyxy, self.crowds_xyxy])
        labels = np.concatenate([self.labels, CROWD - self.crowd_labels])
        places = self.places
        if places is not None:  # nobody has labelled the points of a crowd
            unknown = np.zeros((len(self.crowd_labels), *places.points.shape[1:]), np.float32)
            places = replace(places, points=np.concatenate([places.points, unknown]))
        return replace(
            self, boxes_xyxy=boxes, labels=labels, crowds_xyxy=self.crowds_xyxy[:0],
            crowd_labels=self.crowd_labels[:0], places=places,
        )  # fmt: skip

    def renumber(self, numbers: NDArray[np.integer]) -> Example:
        """The same picture with new labels; boxes of classes whose number is -1 are left out."""
        labels, crowds = (numbers[old].astype(np.int64) for old in (self.labels, self.crowd_labels))
        kept, known = labels >= 0, crowds >= 0
        masks, poses = (
            tuple(one for one, keep in zip(each, kept, strict=False) if keep) for each in (self.masks, self.poses)
        )
        return Example(
            self.photo, self.boxes_xyxy[kept], labels[kept], self.crowds_xyxy[known], crowds[known], masks, poses
        )


def find_divisor(width: int, height: int, longest: int | None) -> int:
    """By how much a picture is reduced so that its longer side keeps `longest` pixels; 1 where that is None."""
    return max(1, max(width, height) // longest) if longest else 1


def _bound(picture: Picture, longest: int | None) -> Picture:
    height, width = picture.image_rgb.shape[:2]
    divisor = find_divisor(width, height, longest)
    if divisor == 1:
        return picture
    size = max(1, width // divisor), max(1, height // divisor)  # whole factors are ten times as fast as others
    return replace(picture, image_rgb=cv2.resize(picture.image_rgb, size, interpolation=cv2.INTER_AREA))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Split:
    """Examples, and the names of the labels."""

    examples: Sequence[Example]
    classes: tuple[str, ...]

    def keep(self, classes: Sequence[str]) -> Split:
        """The same pictures with only the boxes of these classes, numbered in the order of `classes`."""
        numbers = np.array([classes.index(name) if name in classes else -1 for name in self.classes])
        return Split([e.renumber(numbers) for e in self.examples], tuple(classes))

    def through(self, window: GreyWindow) -> Split:
        """The same split, its deep grey pictures seen through a window of values."""
        return replace(self, examples=[replace(e, photo=replace(e.photo, window=window)) for e in self.examples])


@dataclass(frozen=True)
class Row:
    """One box as a label file gives it, with its line, or its entry in files where lines mean nothing (JSON)."""

    line: int | None
    label: str
    box_xyxy: tuple[float, float, float, float]
    entry: str = ""
    mask: Any = None
    """COCO's `segmentation`."""
    pose: Any = None
    """COCO's `keypoints`, a `Pose`."""


def check_validation(split: Split, file: str) -> None:
    """Notes every class that cannot be measured; raises LabelError if none can, since there is no box."""
    present = {int(label) for example in split.examples for label in example.labels}
    if not present:
        raise LabelError(file, None, "the validation split has no box: nothing could be measured")
    for number, name in enumerate(split.classes):
        if number not in present:
            told = f"class '{name}' has no box in the validation split: it is not measured"
            add_note("class without an example", file, None, told)


def check_box(row: Row, file: str, classes: Sequence[str], size: tuple[int, int], slack: float = 1.0) -> None:
    """Raises LabelError unless the box has a known class and an area, and lies in the image.

    size: height and width of the image; the box may reach `slack` pixels out of it.
    """
    x0, y0, x1, y1 = row.box_xyxy
    entry = f"{row.entry}: " if row.entry else ""
    text = f"{entry}the box {x0:g},{y0:g},{x1:g},{y1:g}"
    if row.label not in classes:
        raise LabelError(
            file, row.line, f"{entry}class '{row.label}' is not one of {_list(row.label, classes)}", UNKNOWN
        )
    if not (x0 < x1 and y0 < y1):
        raise LabelError(file, row.line, f"{text} has no area", "box without area")
    if x0 < -slack or y0 < -slack or x1 > size[1] + slack or y1 > size[0] + slack:
        raise LabelError(file, row.line, f"{text} leaves the image {size[1]}x{size[0]}", "box outside")


def check_size(photo: Photo, stated: tuple[float, float], file: str, line: int | None = None) -> None:
    """Raises LabelError if a label file states another width and height: its boxes were drawn on another picture."""
    height, width = photo.height, photo.width
    if stated != (width, height):
        turned = ": EXIF turns it, and boxes must fit the upright picture" if stated == (height, width) else ""
        told = f"it states {stated[0]:g}x{stated[1]:g} pixels, the image has {width}x{height}{turned}"
        raise LabelError(file, line, told, "other size")


def check_classes(split: Split, file: str) -> None:
    """Notes every class that has no box to learn from; raises LabelError if none has one."""
    present = np.bincount(np.concatenate([[], *(e.labels for e in split.examples)]).astype(int), minlength=1)
    if not present.sum():
        raise LabelError(file, None, "the training split has no box: nothing could be learnt")
    for name, count in zip(split.classes, np.pad(present, (0, len(split.classes))), strict=False):
        if not count:
            told = f"class '{name}' has no box in the training split: it is never found"
            add_note("class without an example", file, None, told)


def _list(label: str, classes: Sequence[str], most: int = 20) -> str:
    """The classes for a sentence, and the one that was perhaps meant."""
    alike = next((name for name in classes if name.strip().casefold() == label.strip().casefold()), None)
    meant = f": did you mean '{alike}'?" if alike else ""
    return ", ".join(classes[:most]) + (f" and {len(classes) - most} more" if len(classes) > most else "") + meant
