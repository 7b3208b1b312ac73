"""What all forms of labels share: lists of names, and the check that splits share no picture."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping

from convoy.core.pictures.formats import SUFFIXES

from convoy_training.data.archive import Archive
from convoy_training.data.faults import add_fault, add_note
from convoy_training.errors import LabelError

CLASSES = "classes.txt"
IMAGES = SUFFIXES
"""Endings of pictures that the services, and so training, can read."""
OTHERS = (
    *(".arw", ".cr2", ".cr3", ".dcm", ".dng", ".ico", ".jxl", ".nef", ".orf", ".pbm", ".pgm", ".pnm", ".ppm", ".psd"),
    *(".raf", ".rw2", ".svg", ".tga"),
)
"""Endings of pictures that cannot be read. They are refused, since leaving them out in silence would hide them."""


def check_kinds(names: Iterable[str]) -> None:
    """A picture among these files that is of a kind that cannot be read is a fault."""
    for name in names:
        if name.lower().endswith(OTHERS):
            told = f"pictures of this kind are not read: use {', '.join(IMAGES)}"
            add_fault(LabelError(name, None, told, "kind of picture"))


ALIASES = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test",)}
"""How people call the folders and lists of a split."""


def name_key(split: str) -> str:
    """The split as files call it: `val` for `validation`."""
    return "val" if split == "validation" else split


def number_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, each with its number (from 1) and without the blanks around it."""
    return ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def parse_classes(text: str, file: str = CLASSES) -> tuple[str, ...]:
    """Parses one class per line; a name may hold blanks, and every line may begin with the class's id, from 0."""
    lines = list(number_lines(text))
    if not lines:
        raise LabelError(file, None, "it names no classes")
    with_ids = all(re.match(r"\d+\s", line) for _, line in lines)
    names = []
    for place, (number, line) in enumerate(lines):
        if number != place + 1:
            raise LabelError(file, place + 1, "the line is blank, and the lines number the classes: remove it")
        identity, name = line.split(maxsplit=1) if with_ids else (str(place), line)
        if identity != str(place):
            raise LabelError(file, number, f"the id is {identity}, not {place}: ids count from 0, one per line")
        names.append(name)
    if (repeated := find_repeated(names)) is not None:
        raise LabelError(file, repeated + 1, f"class '{names[repeated]}' is named twice")
    return tuple(names)


def find_repeated(names: Iterable[Hashable]) -> int | None:
    """The place of the first name that occurs for the second time; None if none does."""
    seen = set()
    for place, name in enumerate(names):
        if name in seen:
            return place
        seen.add(name)
    return None


def check_held_out(
    archive: Archive, train: Iterable[str], held_out: Mapping[str, int | None], file: str
) -> frozenset[str]:
    """Checks that training and the other split share no picture, so that you measure on pictures not trained on.

    A file in both is a fault, and returned; two files of the same bytes are noted. train: names of pictures;
    held_out: names of the other split's pictures, each with its line in `file`.
    """
    trained = dict.fromkeys(train)
    shared = {name: line for name, line in held_out.items() if name in trained}
    for name, line in shared.items():
        told = f"{name} is in the training split too: take it out of one of them"
        add_fault(LabelError(file, line, told, "in both splits"))
    known = {archive.compute_sum(name): name for name in trained if name in archive.files}
    for name in held_out:
        if name not in shared and name in archive.files and (same := known.get(archive.compute_sum(name))):
            add_note("the same picture in both splits", name, None, f"it is the training picture {same}, byte for byte")
    return frozenset(shared)
