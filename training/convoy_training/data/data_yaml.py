"""Reads Ultralytics' data.yaml: the names of the classes, which points objects have, and where the pictures lie."""

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
class PointShape:
    """The points that each object has (`kpt_shape`): how many, and how many numbers each (2: x, y; 3: x, y, v).

    names: of the points, by the number of the class (`kpt_names`); none where the file names none.
    """

    count: int
    each: int
    names: dict[int, tuple[str, ...]]


@dataclass(frozen=True)
class Layout:
    """classes: their names in the order of their numbers; text: the file as written; fields: the file as parsed.

    shape: the points of the objects; None for data without points.
    """

    classes: tuple[str, ...]
    text: str
    fields: dict[str, Any]
    shape: PointShape | None = None

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
    return Layout(tuple(names), text, fields, _read_shape(text, fields))


def _read_shape(text: str, fields: dict[str, Any]) -> PointShape | None:
    """Raises LabelError for a `kpt_shape` that is none, and for `kpt_names` of another number of points."""
    shape, names = fields.get("kpt_shape"), fields.get("kpt_names")
    if shape is None:
        return None
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(one) is int for one in shape)):
        told = "kpt_shape is two numbers: how many points, and 2 (x, y) or 3 (x, y, v)"
        raise LabelError(FILE, _find_line(text, "kpt_shape"), told)
    count, each = shape
    if count < 1 or each not in (2, 3):
        told = f"kpt_shape is {shape}: there must be a point, of 2 (x, y) or 3 (x, y, v) numbers"
        raise LabelError(FILE, _find_line(text, "kpt_shape"), told)
    listed = dict(enumerate(names)) if isinstance(names, list) else names or {}
    if not isinstance(listed, dict) or not all(isinstance(one, list) and len(one) == count for one in listed.values()):
        told = f"kpt_names does not list {count} names of points for each class, as kpt_shape has it"
        raise LabelError(FILE, _find_line(text, "kpt_names"), told)
    return PointShape(count, each, {number: tuple(map(str, one)) for number, one in listed.items()})


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
