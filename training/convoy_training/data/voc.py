"""Reads boxes from VOC XML (Everingham et al. 2010): Annotations/, JPEGImages/, ImageSets/Main/, maybe classes.txt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from xml.etree import ElementTree

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.boxes import Row, Split, build_example, check_size
from convoy_training.data.lists import CLASSES, IMAGES, check_held_out, number_lines, parse_classes
from convoy_training.data.photo import open_photos
from convoy_training.errors import LabelError

FOLDER = "JPEGImages/"


@dataclass(frozen=True)
class Annotation:
    """One file: its boxes, the name of its image, and the image's width and height (`stated`) with their line."""

    rows: list[Row]
    filename: str
    stated: tuple[float, float] | None
    size_line: int | None


@dataclass(frozen=True)
class Entry:
    """One line of a list, with the image and the annotation that it names."""

    line: int
    image: str
    label: str
    annotation: Annotation


@cache
def load_split(path: str, split: str) -> Split:
    """Loads the images that ImageSets/Main/train.txt or, for `validation`, val.txt lists.

    Without a classes.txt, the classes are those of the training annotations, sorted by name.
    """
    archive = open_archive(path)
    train = _read_entries(archive, "ImageSets/Main/train.txt")
    entries = train
    if split != "train":
        listing = f"ImageSets/Main/{'val' if split == 'validation' else split}.txt"
        entries = _read_entries(archive, listing)
        check_held_out(archive, (e.image for e in train), {e.image: e.line for e in entries}, listing)
    if CLASSES in archive.files:
        classes = parse_classes(archive.read_text(CLASSES))
    else:
        classes = tuple(sorted({row.label for entry in train for row in entry.annotation.rows}))
    examples = []
    for entry, photo in zip(entries, open_photos(archive.files, [entry.image for entry in entries]), strict=True):
        found = entry.annotation
        if found.stated:
            check_size(photo, found.stated, entry.label, found.size_line)
        examples.append(build_example(photo, found.rows, entry.label, classes))
    return Split(examples, classes)


def parse(xml: bytes, file: str) -> Annotation:
    """Parses one annotation; objects marked `difficult` count like all others.

    VOC counts pixels from 1 and includes the last one, so the near edges move by one.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise LabelError(file, error.position[0], "this is not XML") from error
    rows = []
    for line, thing in _find(root, xml, "object"):
        x0, y0, x1, y1 = _read_numbers(thing, ("bndbox/xmin", "bndbox/ymin", "bndbox/xmax", "bndbox/ymax"), file, line)
        if not (name := (thing.findtext("name") or "").strip()):
            raise LabelError(file, line, "the object has no name")
        rows.append(Row(line, name, (x0 - 1, y0 - 1, x1, y1)))
    stated, size_line = None, None
    for size_line, size in _find(root, xml, "size"):
        width, height = _read_numbers(size, ("width", "height"), file, size_line)
        stated = (width, height)
    return Annotation(rows, (root.findtext("filename") or "").strip(), stated, size_line)


def _find(root: ElementTree.Element, xml: bytes, tag: str) -> list[tuple[int | None, ElementTree.Element]]:
    things = root.findall(tag)
    lines = [number for number, line in enumerate(xml.splitlines(), 1) if f"<{tag}>".encode() in line]
    return list(zip(lines if len(lines) == len(things) else [None] * len(things), things, strict=True))


def _read_numbers(thing: ElementTree.Element, names: tuple[str, ...], file: str, line: int | None) -> list[float]:
    numbers = []
    for name in names:
        try:
            numbers.append(float(thing.findtext(name) or ""))
        except ValueError:
            raise LabelError(file, line, f"{name} is missing or not a number") from None
    return numbers


def _read_entries(archive: Archive, listing: str) -> list[Entry]:
    images = {
        str(PurePosixPath(name).with_suffix("")): name
        for name in archive.files
        if name.startswith(FOLDER) and name.lower().endswith(IMAGES)
    }
    entries = []
    for line, name in number_lines(archive.read_text(listing)):
        label = archive.find(f"Annotations/{name}.xml", listing, line)
        annotation = parse(archive.files[label], label)
        entries.append(Entry(line, _find_image(archive, images, name, annotation, listing, line), label, annotation))
    if not entries:
        raise LabelError(listing, None, "it lists no images")
    return entries


def _find_image(
    archive: Archive, images: Mapping[str, str], name: str, annotation: Annotation, listing: str, line: int
) -> str:
    """The image of that name with any suffix, or else the one that the annotation names."""
    if f"{FOLDER}{name}" in images:
        return images[f"{FOLDER}{name}"]
    if (named := f"{FOLDER}{annotation.filename}") in archive.files:
        return named
    raise LabelError(
        listing, line, f"{FOLDER}{name}.jpg does not exist, nor an image with that name and another suffix"
    )
