"""Reads boxes from YOLO text: images below images/, and for each a file below labels/.

Its lines are `class x y width height`, shares of the image in 0..1. Classes and splits come from classes.txt with
images/train and images/val, or else from Ultralytics' data.yaml.
"""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath

from convoy_training.data import data_yaml
from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.boxes import Row, Split, build_example
from convoy_training.data.lists import CLASSES, IMAGES, check_held_out, check_kinds, number_lines, parse_classes
from convoy_training.data.photo import open_photos
from convoy_training.errors import LabelError


@cache
def load_split(path: str, split: str) -> Split:
    """Loads the images of `train` or, for `validation`, of `val`. An image without a label file has no objects."""
    archive = open_archive(path)
    check_labels(archive)
    key = "val" if split == "validation" else split
    if CLASSES in archive.files or data_yaml.FILE not in archive.files:
        classes, file, line = parse_classes(archive.read_text(CLASSES)), f"images/{key}/", None
        names, train = (_list_images(archive, f"images/{folder}/") for folder in (key, "train"))
    else:
        layout, file = data_yaml.read_layout(archive), data_yaml.FILE
        classes, line = layout.classes, layout.find_line(key)
        names, train = (layout.list_images(archive, folder) for folder in (key, "train"))
    if split != "train":
        check_held_out(archive, train, dict.fromkeys(names, line), file)
    examples = []
    for photo in open_photos(archive.files, names):
        label = name_label(photo.name)
        text = archive.read_text(label) if label in archive.files else ""
        examples.append(build_example(photo, parse(text, label, classes, (photo.height, photo.width)), label, classes))
    return Split(examples, classes)


def name_label(image: str) -> str:
    """The label file of an image, as Ultralytics finds it: images/train/a.jpg -> labels/train/a.txt.

    train/images/a.jpg -> train/labels/a.txt works too.
    """
    swapped = "/labels/".join(f"/{image}".rsplit("/images/", 1))[1:]
    return str(PurePosixPath(swapped).with_suffix(".txt"))


def check_labels(archive: Archive) -> None:
    """Raises LabelError if a label file below a folder `labels` has no picture: a name is wrong, or a picture lost."""
    known = {name_label(name) for name in archive.files if name.lower().endswith(IMAGES)}
    for name in archive.files:
        place = PurePosixPath(name)
        # Labelling tools leave their classes.txt among the labels.
        if place.suffix.lower() != ".txt" or "labels" not in place.parts[:-1] or place.name.lower() == CLASSES:
            continue
        if name not in known and str(place.with_suffix(".txt")) in known:
            raise LabelError(name, None, f"names of label files end in .txt: rename this file to {place.stem}.txt")
        if name not in known:
            raise LabelError(name, None, "there is no image with this name: add it, or remove this file")


def parse(text: str, file: str, classes: tuple[str, ...], size: tuple[int, ...]) -> list[Row]:
    """Parses lines whose boxes are given by their centres, as shares of the image of `size` (height, width)."""
    rows = []
    for number, line in number_lines(text):
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


def _list_images(archive: Archive, folder: str) -> list[str]:
    below = [name for name in archive.files if name.startswith(folder)]
    check_kinds(below)
    names = [name for name in below if name.lower().endswith(IMAGES)]
    if not names:
        raise LabelError(folder, None, "there are no images")
    return names
