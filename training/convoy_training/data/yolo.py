"""Boxes as YOLO text: images/<split>/*.jpg, labels/<split>/*.txt with lines `class x y width height` in 0..1."""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath

from convoy_training.data.archive import open_archive
from convoy_training.data.boxes import Row, Split, build_example, decode
from convoy_training.errors import LabelError

IMAGES = (".jpg", ".jpeg", ".png")


@cache
def load_split(path: str, split: str) -> Split:
    """The images below images/train or, for `validation`, images/val; one without a label file shows nothing."""
    archive = open_archive(path)
    classes = tuple(archive.read_text("classes.txt").split())
    folder = f"images/{'val' if split == 'validation' else split}/"
    examples = []
    for name in (n for n in archive.files if n.startswith(folder) and n.lower().endswith(IMAGES)):
        label = f"labels/{PurePosixPath(name).relative_to('images').with_suffix('.txt')}"
        image = decode(archive.files[name], name)
        text = archive.read_text(label) if label in archive.files else ""
        examples.append(build_example(image, parse(text, label, classes, image.shape[:2]), label, classes))
    if not examples:
        raise LabelError(folder, None, "there are no images")
    return Split(examples, classes)


def parse(text: str, file: str, classes: tuple[str, ...], size: tuple[int, ...]) -> list[Row]:
    """Lines as shares of the image of `size` (height, width), boxes by their centre."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            index, x, y, width, height = (float(value) for value in line.split())
        except ValueError:
            raise LabelError(file, number, f"expected 'class x y width height', found '{line}'") from None
        if index not in range(len(classes)):
            raise LabelError(file, number, f"class {index:g} is not one of 0 to {len(classes) - 1}")
        edges = (
            (x - width / 2) * size[1],
            (y - height / 2) * size[0],
            (x + width / 2) * size[1],
            (y + height / 2) * size[0],
        )
        rows.append(Row(number, classes[int(index)], edges))
    return rows
