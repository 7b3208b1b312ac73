"""What all forms of labels share: lists of names, and the check that splits share no picture."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping

from convoy.core.pictures.formats import SUFFIXES

from convoy_training.data.archive import Archive
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
    """Raises LabelError if a picture among these files is of a kind that cannot be read."""
    for name in names:
        if name.lower().endswith(OTHERS):
            raise LabelError(name, None, f"pictures of this kind are not read: use {', '.join(IMAGES)}")


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


def check_held_out(archive: Archive, train: Iterable[str], held_out: Mapping[str, int | None], file: str) -> None:
    """Checks that training and the other split share no picture, so that you measure on pictures not trained on.

    Raises LabelError if a file is in both, and prints a warning if two files hold the same bytes. train: names of
    pictures; held_out: names of the other split's pictures, each with its line in `file`.
    """
    trained = dict.fromkeys(train)
    for name, line in held_out.items():
        if name in trained:
            raise LabelError(file, line, f"{name} is in the training split too: take it out of one of them")
    known = {hashlib.sha256(archive.files[name]).digest(): name for name in trained}
    digests = {name: hashlib.sha256(archive.files[name]).digest() for name in held_out}
    same = [(name, known[digest]) for name, digest in digests.items() if digest in known]
    if same:
        first = f"the first is {same[0][0]}, the same as {same[0][1]}"
        count = f"{len(same):,} of {len(held_out):,} held-out pictures are training pictures too, byte for byte"
        print(f"warning: {count}; {first}", file=sys.stderr)
