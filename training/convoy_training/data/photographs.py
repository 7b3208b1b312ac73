"""Photographs without labels, from which networks learn to make pictures: every picture file of a folder or pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from convoy_training import recipe
from convoy_training.data.archive import open_archive
from convoy_training.data.division import divide
from convoy_training.data.faults import remembered
from convoy_training.data.layout import refuse_layout
from convoy_training.data.lists import IMAGES
from convoy_training.data.photo import Photo, find_photos
from convoy_training.data.reading import Division, OnError, Reading
from convoy_training.data.reading import Split as SplitFields


class Source(recipe.Strict):
    """Where photographs come from: a folder, a tar or a zip; a part of them is held out by `split`."""

    path: str
    title: str = Field(description="what the manifest calls it")
    on_error: OnError = Field("refuse", description="skip: leave pictures with a fault out, count and list them")
    below: str = Field("", description="only pictures whose names begin so, such as images/")
    split: SplitFields = Field(SplitFields(), description="the held-out part: {val: 0.1, seed: 0}")

    @property
    def reading(self) -> Reading:
        """The same as a value that caches can compare."""
        return Reading(self.on_error, division=Division(**self.split.model_dump()))


@dataclass(frozen=True)
class Example:
    """A photograph."""

    photo: Photo


@dataclass(frozen=True)
class Split:
    """The photographs of a split."""

    examples: Sequence[Example]
    classes: tuple[str, ...] = ()


@remembered
def load_split(path: str, split: str, below: str, how: Reading) -> Split:
    """Loads `train` or `validation`, as `how.division` divides them, or `all`."""
    archive = open_archive(path)
    names = sorted(name for name in archive.files if name.startswith(below) and name.lower().endswith(IMAGES))
    if not names:
        raise refuse_layout(archive, f"pictures ({', '.join(IMAGES)}) {below and f'below {below}'}", "there are none")
    assert how.division is not None
    chosen = names
    if split != "all":
        held_out = divide(names, [""] * len(names), how.division)
        chosen = [name for name, held in zip(names, held_out, strict=True) if held == (split != "train")]
    photos = find_photos(archive.files, chosen)
    return Split([Example(photos[name]) for name in chosen if name in photos])
