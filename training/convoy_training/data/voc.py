"""Boxes as VOC XML (Everingham et al. 2010): Annotations/, JPEGImages/, ImageSets/Main/, and a classes.txt."""

from __future__ import annotations

from functools import cache
from xml.etree import ElementTree

from convoy_training.data.archive import open_archive
from convoy_training.data.boxes import Row, Split, build_example, decode
from convoy_training.errors import LabelError


@cache
def load_split(path: str, split: str) -> Split:
    """The images listed in ImageSets/Main/train.txt or, for `validation`, val.txt."""
    archive = open_archive(path)
    classes = tuple(archive.read_text("classes.txt").split())
    listing = f"ImageSets/Main/{'val' if split == 'validation' else split}.txt"
    examples = []
    for number, name in enumerate(archive.read_text(listing).split(), 1):
        image = archive.find(f"JPEGImages/{name}.jpg", listing, number)
        label = archive.find(f"Annotations/{name}.xml", listing, number)
        rows = parse(archive.files[label], label)
        examples.append(build_example(decode(archive.files[image], image), rows, label, classes))
    if not examples:
        raise LabelError(listing, None, "it lists no images")
    return Split(examples, classes)


def parse(xml: bytes, file: str) -> list[Row]:
    """The boxes of one annotation.

    VOC counts pixels from 1 and includes the last one, so the near edges move by one.
    """
    rows = []
    for line, thing in _find_objects(xml, file):
        try:
            x0, y0, x1, y1 = (float(thing.findtext(f"bndbox/{k}") or "") for k in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError:
            raise LabelError(file, line, "a coordinate of bndbox is missing or no number") from None
        rows.append(Row(line, (thing.findtext("name") or "").strip(), (x0 - 1, y0 - 1, x1, y1)))
    return rows


def _find_objects(xml: bytes, file: str) -> list[tuple[int | None, ElementTree.Element]]:
    try:
        things = ElementTree.fromstring(xml).findall("object")
    except ElementTree.ParseError as error:
        raise LabelError(file, error.position[0], "this is not XML") from error
    lines = [number for number, line in enumerate(xml.splitlines(), 1) if b"<object>" in line]
    return list(zip(lines if len(lines) == len(things) else [None] * len(things), things, strict=True))
