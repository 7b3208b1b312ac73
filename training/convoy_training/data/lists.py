"""What the forms of labels have in common: lists of names, and splits that share no picture."""

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
"""What services read, and so training."""
OTHERS = (
    *(".arw", ".avif", ".bmp", ".cr2", ".dng", ".gif", ".heic", ".heif", ".ico", ".jp2", ".jxl", ".nef", ".pbm"),
    *(".pgm", ".pnm", ".ppm", ".psd", ".svg", ".tga", ".tif", ".tiff"),
)
"""Pictures that are not read: told of, not left out in silence."""


def check_kinds(names: Iterable[str]) -> None:
    """No picture among these files is of a kind that is not read."""
    for name in names:
        if name.lower().endswith(OTHERS):
            raise LabelError(name, None, f"pictures of this kind are not read: {', '.join(IMAGES)} are")


def number_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers, without the blanks around them."""
    return ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def parse_classes(text: str, file: str = CLASSES) -> tuple[str, ...]:
    """One class a line, blanks inside a name belong to it; all lines may begin with the class's id, from 0."""
    lines = list(number_lines(text))
    if not lines:
        raise LabelError(file, None, "it names no classes")
    with_ids = all(re.match(r"\d+\s", line) for _, line in lines)
    names = []
    for place, (number, line) in enumerate(lines):
        if number != place + 1:
            raise LabelError(file, place + 1, "the line is blank, and classes are counted by lines: remove it")
        identity, name = line.split(maxsplit=1) if with_ids else (str(place), line)
        if identity != str(place):
            raise LabelError(file, number, f"id {identity} in the place of {place}: ids count from 0, one a line")
        names.append(name)
    if (repeated := find_repeated(names)) is not None:
        raise LabelError(file, repeated + 1, f"class '{names[repeated]}' is named twice")
    return tuple(names)


def find_repeated(names: Iterable[Hashable]) -> int | None:
    """The place of the first one that has stood before."""
    seen = set()
    for place, name in enumerate(names):
        if name in seen:
            return place
        seen.add(name)
    return None


def check_held_out(archive: Archive, train: Iterable[str], held_out: Mapping[str, int | None], file: str) -> None:
    """Pictures to measure on were not trained on: the same file is refused, the same bytes under two names are told of.

    train: names of pictures; held_out: those of the other split, each with its line in `file`.
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
