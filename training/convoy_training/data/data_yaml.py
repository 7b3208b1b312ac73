"""Reads Ultralytics' data.yaml: the names of the classes, and where the pictures of each split lie."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from convoy_training.data.archive import DATA_YAML, Archive
from convoy_training.data.lists import IMAGES, check_kinds, find_repeated, number_lines
from convoy_training.errors import LabelError

FILE = DATA_YAML


@dataclass(frozen=True)
class Layout:
    """classes: their names in the order of their numbers; text: the file as written; fields: the file as parsed."""

    classes: tuple[str, ...]
    text: str
    fields: dict[str, Any]

    def find_line(self, key: str) -> int | None:
        """The line of a field at the top level; None if there is none."""
        return _find_line(self.text, key)

    def list_images(self, archive: Archive, key: str) -> list[str]:
        """The pictures of `train`, `val` or `test`: a folder, a list of pictures (.txt), or several of them."""
        value = self.fields.get(key)
        places = value if isinstance(value, list) else [value]
        names: dict[str, None] = {}
        for place in places:
            if not isinstance(place, str):
                raise LabelError(FILE, self.find_line(key), f"'{key}' is not the path of a folder of images")
            found = dict.fromkeys(_list_place(archive, place, str(self.fields.get("path") or "")))
            if not found:
                reason = f"{key}: there are no images in {place}, relative to the folder of {FILE}"
                raise LabelError(FILE, self.find_line(key), reason)
            names |= found
        return list(names)


def read_layout(archive: Archive) -> Layout:
    """Reads and checks the file; `names` must be a list, or a dictionary of all numbers from 0. Raises LabelError."""
    text = archive.read_text(FILE)
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise LabelError(FILE, mark.line + 1 if mark else None, "this is not YAML") from error
    if not isinstance(fields, dict):
        raise LabelError(FILE, None, "it has no fields 'names', 'train' and 'val'")
    names, line = fields.get("names"), _find_line(text, "names")
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise LabelError(FILE, line, "'names' is neither a list of classes nor a dictionary of numbers from 0")
    for name in names:
        if not isinstance(name, str):
            raise LabelError(FILE, line, f"names: {name!r} is not text: put it in quotation marks")
    if (place := find_repeated(names)) is not None:
        raise LabelError(FILE, line, f"class '{names[place]}' is named twice")
    if fields.get("nc", len(names)) != len(names):
        raise LabelError(FILE, _find_line(text, "nc"), f"nc is {fields['nc']}, but there are {len(names)} names")
    return Layout(tuple(names), text, fields)


def _find_line(text: str, key: str) -> int | None:
    return next((n for n, line in enumerate(text.splitlines(), 1) if re.match(rf"['\"]?{key}['\"]?\s*:", line)), None)


def _list_place(archive: Archive, place: str, root: str) -> Iterator[str]:
    """The pictures at one path. root: the file's `path`; it is ignored if it is a folder of another machine."""
    for name in (_normalise(posixpath.join(root, place)), _normalise(place)):
        if name in archive.files:
            for number, line in number_lines(archive.read_text(name)):
                yield archive.find(_normalise(posixpath.join(posixpath.dirname(name), line)), name, number)
            return
        folder = "" if name == "." else f"{name}/"
        below = [n for n in archive.files if n.startswith(folder)]
        check_kinds(below)
        if found := [n for n in below if n.lower().endswith(IMAGES)]:
            yield from found
            return


def _normalise(path: str) -> str:
    """The path without dots; `../train/images` becomes `train/images`, as Ultralytics reads it too."""
    return re.sub(r"^(\.\./)+", "", posixpath.normpath(path))
