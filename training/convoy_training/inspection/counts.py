"""Counts what a data set holds: pictures, sizes, objects or pixels of each class, and everything that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convoy_training.data.faults import Fault, Findings, add_fault, collecting, group
from convoy_training.data.photo import Photo
from convoy_training.errors import LabelError, TrainingError
from convoy_training.inspection.alike import note_alike
from convoy_training.recipe import Config
from convoy_training.task import Task

SPLITS = ("train", "validation")
LOOKED_AT = 48
"""So many pictures of a split are decoded to see whether they are grey."""


@dataclass
class SplitCounts:
    """One split. by_class: objects, pictures or pixels (`unit`) of each class; with_class: pictures that show it.

    empty: pictures without any label. ignored: share of the pixels, or number of crowds, that do not count. sizes:
    width and height of the smallest, the median and the largest picture by area. grey: share of those looked at.
    """

    pictures: int
    unit: str
    by_class: dict[str, int]
    with_class: dict[str, int] = field(default_factory=dict)
    empty: int = 0
    ignored: float = 0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    aspects: tuple[float, float] | None = None
    grey: float = 0


@dataclass
class Summary:
    """A data set as it was understood."""

    title: str
    path: str
    classes: list[str]
    sha256: str
    splits: dict[str, SplitCounts]
    found: Findings
    on_error: str = "refuse"
    loaded: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        splits = {name: vars(counts) for name, counts in self.splits.items()}
        facts = {"title": self.title, "path": self.path, "classes": self.classes, "sha256": self.sha256}
        return {**facts, "on_error": self.on_error, "splits": splits, "faults": _list(self.found.faults),
                "notes": _list(self.found.notes)}  # fmt: skip


def _list(entries: dict[Fault, None]) -> dict[str, Any]:
    kinds = {kind: len(those) for kind, those in group(entries).items()}
    return {"count": len(entries), "by_kind": kinds, "all": [vars(entry) for entry in entries]}


def examine(task: Task, config: Config, *, alike: bool = False) -> Summary:
    """Reads both splits, and goes on after faults. alike: also looks for pictures that are nearly the same."""
    load: Any = getattr(task, "load_split", None)
    source, loaded = getattr(config, "data", None), {}
    with collecting() as found:
        for split in SPLITS if load else ():
            try:
                loaded[split] = load(config, split)
            except LabelError as error:
                add_fault(error)
        if not found.faults or len(loaded) == len(SPLITS):
            try:
                task.build_data(config)
            except LabelError as error:
                add_fault(error)
        if alike and len(loaded) == len(SPLITS):
            note_alike(*(list_photos(loaded[split]) for split in SPLITS))
    classes = list(loaded["train"].classes) if "train" in loaded else []
    counts = {split: count(one) for split, one in loaded.items()}
    title, path = (str(getattr(source, name, "")) for name in ("title", "path"))
    on_error = getattr(source, "on_error", "refuse")
    return Summary(title, path, classes, _digest(task, config), counts, found, on_error, loaded)


def _digest(task: Task, config: Config) -> str:
    read: Any = getattr(task, "digest_data", None)
    try:
        return str(read(config)) if read else ""
    except TrainingError:
        return ""


def list_photos(split: Any) -> Sequence[Photo]:
    """The pictures of a split; none where they lie in memory."""
    if hasattr(split, "examples"):
        return [example.photo for example in split.examples]
    return getattr(getattr(split, "images", None), "photos", ())


def count(split: Any) -> SplitCounts:
    """The numbers of one split, of any task that has splits."""
    photos = list_photos(split)
    if hasattr(split, "pixels"):
        shares = [int(value) for value in split.pixels]
        counts = SplitCounts(len(split.examples), "pixels", dict(zip(split.classes, shares, strict=True)))
        counts.ignored = split.ignored / max(1, split.ignored + sum(shares))
    elif hasattr(split, "examples") and not split.classes:  # photographs without labels
        counts = SplitCounts(len(split.examples), "pictures", {})
    elif hasattr(split, "examples"):
        counts = _count_boxes(split)
    else:
        numbers = np.bincount(split.labels, minlength=len(split.classes)).tolist()
        unit = "signals" if hasattr(split, "signals") else "pictures"
        counts = SplitCounts(len(split.labels), unit, dict(zip(split.classes, numbers, strict=True)))
    if photos:
        _measure(counts, photos)
    return counts


def _count_boxes(split: Any) -> SplitCounts:
    size = len(split.classes)
    labels = [example.labels for example in split.examples]
    objects = sum((np.bincount(one, minlength=size) for one in labels), np.zeros(size, int)).tolist()
    shown = sum((np.bincount(np.unique(one), minlength=size) for one in labels), np.zeros(size, int)).tolist()
    counts = SplitCounts(len(labels), "boxes", dict(zip(split.classes, objects, strict=True)))
    counts.with_class = dict(zip(split.classes, shown, strict=True))
    counts.empty = sum(not len(one) for one in labels)
    counts.ignored = sum(len(example.crowd_labels) for example in split.examples)
    return counts


def _measure(counts: SplitCounts, photos: Sequence[Photo]) -> None:
    ordered = sorted(photos, key=lambda photo: photo.width * photo.height)
    counts.sizes = [(p.width, p.height) for p in (ordered[0], ordered[len(ordered) // 2], ordered[-1])]
    aspects = [photo.width / photo.height for photo in photos]
    counts.aspects = round(min(aspects), 3), round(max(aspects), 3)
    looked = list(_look(photos))
    counts.grey = sum(looked) / len(looked)


def _look(photos: Sequence[Photo]) -> Iterator[bool]:
    for photo in photos[:: max(1, len(photos) // LOOKED_AT)][:LOOKED_AT]:
        pixels = photo.decode(32).image_rgb.astype(int)
        yield bool((np.ptp(pixels, axis=2) <= 2).mean() > 0.99)
