"""Reads boxes from VOC XML (Everingham et al. 2010): Annotations/, JPEGImages/, ImageSets/Main/, maybe classes.txt.

Roboflow's export works too, <split>/*.xml beside the pictures; and with `split` any folder of pictures and XML files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.assembly import Listed, Pool, assemble
from convoy_training.data.boxes import Row, Split
from convoy_training.data.faults import add_fault, remembered
from convoy_training.data.layout import refuse_layout
from convoy_training.data.lists import ALIASES, CLASSES, IMAGES, name_key, number_lines, parse_classes
from convoy_training.data.reading import PLAIN, Reading
from convoy_training.errors import LabelError

FOLDER = "JPEGImages/"
EXPECTED = """Annotations/*.xml
JPEGImages/*.jpg
ImageSets/Main/train.txt
ImageSets/Main/val.txt
or, with `split` in the recipe, pictures and XML files alone"""
DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([\w.-]+)")


@dataclass(frozen=True)
class Annotation:
    """One file: its boxes, the name of its image, and the image's width and height (`stated`) with their line."""

    rows: list[Row]
    filename: str
    stated: tuple[float, float] | None
    size_line: int | None


@remembered
def load_split(path: str, split: str, how: Reading = PLAIN) -> Split:
    """Loads the images that ImageSets/Main/train.txt or, for `validation`, val.txt lists.

    Without a classes.txt, the classes are those of the training annotations, sorted by name.
    """
    archive = open_archive(path)
    if how.division:
        pool = Pool((), list(_read_labels(archive, _list_every(archive))))
    else:
        pool = Pool((), list(_read_labels(archive, _list_labels(archive, "train"))))
        if split != "train":
            pool.file = _find_listing(archive, name_key(split))
            pool.held_out = list(_read_labels(archive, _list_labels(archive, name_key(split))))
    if CLASSES in archive.files:
        pool.classes = parse_classes(archive.read_text(CLASSES))
    else:
        pool.classes = tuple(sorted({row.label for entry in pool.train for row in entry.rows}))
    return assemble(archive, pool, split, how)


def parse(xml: bytes, file: str) -> Annotation:
    """Parses one annotation; objects marked `difficult` count like all others.

    VOC counts pixels from 1 and includes the last one, so the near edges move by one.
    """
    text = decode_xml(xml, file)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise LabelError(file, error.position[0], "this is not XML") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # without a namespace
    rows = []
    for line, thing in _find(root, text, "object"):
        x0, y0, x1, y1 = _read_numbers(thing, ("bndbox/xmin", "bndbox/ymin", "bndbox/xmax", "bndbox/ymax"), file, line)
        if not (name := (thing.findtext("name") or "").strip()):
            raise LabelError(file, line, "the object has no name", "no class")
        rows.append(Row(line, name, (x0 - 1, y0 - 1, x1, y1)))
    stated, size_line = None, None
    for size_line, size in _find(root, text, "size"):
        width, height = _read_numbers(size, ("width", "height"), file, size_line)
        stated = (width, height)
    return Annotation(rows, (root.findtext("filename") or "").strip(), stated, size_line)


def decode_xml(xml: bytes, file: str) -> str:
    """The text of an XML file in the encoding that it declares, such as GB2312 or Shift_JIS; else UTF-8."""
    declared = DECLARED.search(xml[:200])
    encoding = declared[1].decode("ascii") if declared else "utf-8-sig"
    if encoding.lower() in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        return xml.decode("gb18030" if encoding.lower() in ("gb2312", "gbk") else encoding)
    except (UnicodeDecodeError, LookupError) as error:
        line = xml[: getattr(error, "start", 0)].count(b"\n") + 1
        told = f"this is not text in {declared[1].decode() if declared else 'UTF-8'}: declare its encoding in line 1"
        raise LabelError(file, line, told, "encoding") from error


def _find(root: ElementTree.Element, text: str, tag: str) -> list[tuple[int | None, ElementTree.Element]]:
    things = root.findall(tag)
    opens = re.compile(rf"<(?:\w+:)?{tag}[\s>]")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if opens.search(f"{line}\n")]
    return list(zip(lines if len(lines) == len(things) else [None] * len(things), things, strict=True))


def _read_numbers(thing: ElementTree.Element, names: tuple[str, ...], file: str, line: int | None) -> list[float]:
    numbers = []
    for name in names:
        try:
            numbers.append(float(thing.findtext(name) or ""))
        except ValueError:
            raise LabelError(file, line, f"{name} is missing or not a number", "box unreadable") from None
    return numbers


Place = tuple[str, int | None, str]
"""A file that lists pictures, the line, and the name of a label file."""


def _find_listing(archive: Archive, split: str) -> str:
    names = [f"ImageSets/Main/{word}.txt" for word in ALIASES.get(split, (split,))]
    return next((name for name in names if name in archive.files), names[0])


def _list_labels(archive: Archive, split: str) -> Iterator[Place]:
    """The label files of a split: those that ImageSets/Main lists, or those in the split's own folder."""
    listing = _find_listing(archive, split)
    if listing not in archive.files:
        for word in ALIASES.get(split, (split,)):
            if own := [name for name in archive.files if name.startswith(f"{word}/") and name.endswith(".xml")]:
                yield from ((name, None, name) for name in own)
                return
        raise refuse_layout(archive, EXPECTED, f"{listing}: the file does not exist")
    empty = True
    for line, name in number_lines(archive.read_text(listing)):
        empty = False
        try:
            yield listing, line, archive.find(f"Annotations/{name.split()[0] if name.endswith(' 1') else name}.xml",
                                              listing, line)  # fmt: skip
        except LabelError as error:
            add_fault(error)
    if empty:
        raise LabelError(listing, None, "it lists no images")


def _list_every(archive: Archive) -> list[Place]:
    """All label files."""
    found = [name for name in archive.files if name.lower().endswith(".xml")]
    if not found:
        raise refuse_layout(archive, EXPECTED, "there is no XML file")
    return [(name, None, name) for name in found]


def _read_labels(archive: Archive, places: Iterator[Place] | list[Place]) -> Iterator[Listed]:
    images = {str(PurePosixPath(name).with_suffix("")): name for name in archive.files if name.lower().endswith(IMAGES)}
    known = {PurePosixPath(name).name: name for name in images.values()}
    for listing, line, label in places:
        try:
            annotation = parse(archive.files[label], label)
            image = _find_image(images, known, label, annotation, listing, line)
        except LabelError as error:
            add_fault(error)
            continue
        yield Listed(image, annotation.rows, label, stated=annotation.stated, size_line=annotation.size_line, line=line)


def _find_image(
    images: Mapping[str, str], known: Mapping[str, str], label: str, annotation: Annotation, listing: str,
    line: int | None,
) -> str:  # fmt: skip
    """The image of that name with any suffix, beside the label or in a usual folder, or else the one that it names."""
    stem, folder = PurePosixPath(label).with_suffix("").name, str(PurePosixPath(label).parent)
    for place in (f"{FOLDER}{stem}", f"{folder}/{stem}", stem, f"images/{stem}"):
        if place in images:
            return images[place]
    if (named := PurePosixPath(annotation.filename.replace("\\", "/")).name) in known:
        return known[named]
    told = f"{FOLDER}{stem}.jpg does not exist, nor an image with that name and another suffix"
    raise LabelError(listing, line, told, "missing picture")
