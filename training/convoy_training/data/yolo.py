"""Reads boxes from YOLO text: images below images/, and for each a file below labels/, or beside it.

Classes and splits come from classes.txt with images/train and images/val, or else from Ultralytics' data.yaml, which
says too if lines have points (`kpt_shape`); with `split` from one folder, as Label Studio (classes.txt) and CVAT
(obj.names) write it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import PurePosixPath

from convoy_training.data import data_yaml
from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.assembly import Listed, Pool, assemble, list_classes
from convoy_training.data.boxes import Split
from convoy_training.data.faults import add_fault, add_note, remembered
from convoy_training.data.layout import refuse_layout
from convoy_training.data.lists import ALIASES, CLASSES, IMAGES, check_kinds, name_key, parse_classes
from convoy_training.data.reading import PLAIN, Reading
from convoy_training.data.yolo_lines import parse
from convoy_training.errors import LabelError

NAMES = (CLASSES, f"labels/{CLASSES}", "obj.names", "names.txt")
"""Files that name the classes, one a line."""
EXPECTED = """classes.txt, or data.yaml with `names`, `train` and `val`
images/train/*.jpg
images/val/*.jpg
labels/train/*.txt
labels/val/*.txt
or, with `split` in the recipe, images/ and labels/ without further folders"""


@remembered
def load_split(path: str, split: str, how: Reading = PLAIN) -> Split:
    """Loads the images of `train` or, for `validation`, of `val`. An image without a label file has no objects."""
    archive = open_archive(path)
    check_labels(archive)
    layout = None
    if data_yaml.FILE in archive.files and not (CLASSES in archive.files and _has_folders(archive)):
        layout = data_yaml.read_layout(archive)
    classes = _find_classes(archive, layout, how)
    read = partial(_read_labels, archive, classes, layout.shape if layout else None)
    if how.division:
        return assemble(archive, Pool(classes, read(_list_every(archive, layout))), split, how)
    key = name_key(split)
    pool = Pool(classes, file=f"images/{key}/" if layout is None else data_yaml.FILE)
    line = layout.find_line(key) if layout else None
    if split != "train":
        pool.held_out = read(_list_split(archive, layout, key), line)
    pool.train = read(_list_split(archive, layout, "train"))
    return assemble(archive, pool, split, how)


def _has_folders(archive: Archive) -> bool:
    return any(name.startswith(tuple(f"images/{word}/" for word in ALIASES["train"])) for name in archive.files)


def _find_classes(archive: Archive, layout: data_yaml.Layout | None, how: Reading) -> tuple[str, ...]:
    """The names of the classes by number; raises LabelError where two files differ, or where there is none."""
    lists = {name: parse_classes(archive.read_text(name), name) for name in NAMES[:1] if name in archive.files}
    if layout:
        for name, classes in lists.items():
            if classes != layout.classes:
                told = f"it names {list_classes(classes)}; {data_yaml.FILE} names {list_classes(layout.classes)}"
                add_fault(LabelError(name, None, f"{told}: remove one of the files", "two lists of classes"))
        return layout.classes
    if file := next((name for name in NAMES if name in archive.files), None):
        return parse_classes(archive.read_text(file), file)
    if how.classes and all(parts == (name,) for name, parts in how.classes):
        return tuple(name for name, _ in how.classes)
    told = "no file names the classes: write classes.txt, one class a line, or list them as `data.classes`"
    raise refuse_layout(archive, EXPECTED, told, CLASSES)


def name_label(image: str) -> str:
    """The label file of an image, as Ultralytics finds it: images/train/a.jpg -> labels/train/a.txt.

    train/images/a.jpg -> train/labels/a.txt works too; without a folder `images` it lies beside the image.
    """
    swapped = "/labels/".join(f"/{image}".rsplit("/images/", 1))[1:]
    return str(PurePosixPath(swapped).with_suffix(".txt"))


def check_labels(archive: Archive) -> None:
    """A label file below a folder `labels` that has no picture is a fault: a name is wrong, or a picture lost."""
    known = {name_label(name) for name in archive.files if name.lower().endswith(IMAGES)}
    for name in archive.files:
        place = PurePosixPath(name)
        # Labelling tools leave their classes.txt among the labels.
        if place.suffix.lower() != ".txt" or "labels" not in place.parts[:-1] or place.name.lower() == CLASSES:
            continue
        if name not in known and str(place.with_suffix(".txt")) in known:
            told = f"names of label files end in .txt: rename this file to {place.stem}.txt"
            add_fault(LabelError(name, None, told, "label file's name"))
        elif name not in known:
            told = "there is no image with this name: add it, or remove this file"
            add_fault(LabelError(name, None, told, "missing picture"))


def _read_labels(
    archive: Archive,
    classes: tuple[str, ...],
    shape: data_yaml.PointShape | None,
    images: Iterable[str],
    line: int | None = None,
) -> list[Listed]:
    listed = []
    for image in images:
        label = name_label(image)
        if label not in archive.files:
            add_note("picture without label file", image, None, f"{label} does not exist: it shows no object")
        try:
            rows = parse(archive.read_text(label) if label in archive.files else "", label, classes, shape)
        except LabelError as error:
            add_fault(error)
            continue
        if rows is not None:
            listed.append(Listed(image, rows, label, shares=True, line=line))
    return listed


def _list_split(archive: Archive, layout: data_yaml.Layout | None, key: str) -> list[str]:
    if layout:
        return layout.list_images(archive, key)
    for word in ALIASES.get(key, (key,)):
        for folder in (f"images/{word}/", f"{word}/images/"):
            if found := _list_images(archive, folder):
                return found
    raise refuse_layout(archive, EXPECTED, f"images/{key}/: there are no images", f"images/{key}/")


def _list_every(archive: Archive, layout: data_yaml.Layout | None) -> list[str]:
    """All pictures; those of a data.yaml's `test` stay out."""
    if layout:
        keys = [key for key in ("train", "val") if key in layout.fields]
        return list(dict.fromkeys(name for key in keys for name in layout.list_images(archive, key)))
    found = _list_images(archive, "images/") or _list_images(archive, "")
    if not found:
        raise refuse_layout(archive, EXPECTED, "there are no pictures")
    return found


def _list_images(archive: Archive, folder: str) -> list[str]:
    below = [name for name in archive.files if name.startswith(folder)]
    check_kinds(below)
    return [name for name in below if name.lower().endswith(IMAGES)]
