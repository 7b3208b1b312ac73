"""Boxes as VOC XML: BCCD blood cells (640x480; red cells, white cells, platelets), official train and val lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from convoy_training.data.source import compute_digest, find, read_tar
from convoy_training.errors import LabelError

ARCHIVE = "bccd_voc_A.tar"


@dataclass(frozen=True)
class Example:
    """image_rgb uint8 [H,W,3]; boxes_xyxy float32 [K,4] in its pixels; labels int64 [K]."""

    image_rgb: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Examples, and the names of the labels."""

    examples: Sequence[Example]
    classes: tuple[str, ...]


@cache
def load_split(split: str) -> Split:
    """`train` (205 images) or `validation` (87)."""
    files = read_tar(find(ARCHIVE))
    classes = tuple(files["bccd/classes.txt"].decode().split())
    listing = f"bccd/ImageSets/Main/{'val' if split == 'validation' else split}.txt"
    examples = []
    for number, name in enumerate(files[listing].decode().split(), 1):
        image, label = f"bccd/JPEGImages/{name}.jpg", f"bccd/Annotations/{name}.xml"
        if missing := [path for path in (image, label) if path not in files]:
            raise LabelError(listing, number, f"{missing[0]} does not exist")
        examples.append(_read(files[image], files[label], image, label, classes))
    return Split(examples, classes)


def digest() -> str:
    """The SHA-256 of the archive."""
    return compute_digest(find(ARCHIVE))


def parse_boxes(
    xml: bytes, file: str, classes: Sequence[str], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The boxes and labels of one annotation; `size` is the image's (height, width).

    VOC counts pixels from 1 and includes the last one: x is shifted by one to the edges of pixels.
    """
    boxes, labels = [], []
    for line, thing in _objects(xml, file):
        name = (thing.findtext("name") or "").strip()
        if name not in classes:
            raise LabelError(file, line, f"class '{name}' is not one of {', '.join(classes)}")
        try:
            x0, y0, x1, y1 = (float(thing.findtext(f"bndbox/{k}") or "") for k in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError:
            raise LabelError(file, line, "a coordinate of bndbox is missing or no number") from None
        if not (x0 < x1 and y0 < y1):
            raise LabelError(file, line, f"the box {x0:g},{y0:g},{x1:g},{y1:g} has no area")
        if x0 < 0 or y0 < 0 or x1 > size[1] or y1 > size[0]:
            raise LabelError(file, line, f"the box {x0:g},{y0:g},{x1:g},{y1:g} leaves the image {size[1]}x{size[0]}")
        boxes.append((max(0.0, x0 - 1), max(0.0, y0 - 1), x1, y1))
        labels.append(classes.index(name))
    return np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64)


def _objects(xml: bytes, file: str) -> list[tuple[int, ElementTree.Element]]:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise LabelError(file, error.position[0], "this is not XML") from error
    lines = [number for number, line in enumerate(xml.splitlines(), 1) if b"<object>" in line]
    things = root.findall("object")
    return list(zip(lines if len(lines) == len(things) else [0] * len(things), things, strict=True))


def _read(image: bytes, xml: bytes, image_name: str, label_name: str, classes: Sequence[str]) -> Example:
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise LabelError(image_name, None, "the image cannot be decoded")
    return Example(pixels.astype(np.uint8), *parse_boxes(xml, label_name, classes, pixels.shape[:2]))
