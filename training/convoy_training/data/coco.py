"""Reads boxes from COCO JSON (Lin et al. 2014): annotations/<split>.json, with images below <split>/ or images/.

COCO's own names work too: annotations/instances_train2017.json with train2017/, and the same for val.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.boxes import Example, Row, Split, build_example, check_size
from convoy_training.data.lists import check_held_out, find_repeated
from convoy_training.data.photo import open_photos
from convoy_training.errors import LabelError

Entry = dict[str, Any]
Document = dict[str, list[Entry]]

FIELDS = {"images": ("id", "file_name"), "annotations": ("image_id", "category_id"), "categories": ("id", "name")}
"""The fields that every entry of the three lists must have."""
UNIQUE = (("images", "id"), ("categories", "id"), ("categories", "name"))
NAMES = r"annotations/(?:instances_)?({}(?:20\d\d)?)\.json"


@cache
def load_split(path: str, split: str) -> Split:
    """Loads the images of annotations/train.json or, for `validation`, val.json, without boxes of crowds.

    The order of the categories in train.json numbers the labels. Other splits must use the same names.
    """
    archive = open_archive(path)
    train_file, train_folder = find_list(archive, "train")
    train = parse(archive.read_text(train_file), train_file)
    classes = tuple(str(category["name"]) for category in train["categories"])
    train_names = _find_images(archive, train, train_file, train_folder)
    if split == "train":
        return Split(_read_examples(archive, train, train_file, train_names, classes), classes)
    file, folder = find_list(archive, "val" if split == "validation" else split)
    document = parse(archive.read_text(file), file)
    for place, category in enumerate(document["categories"]):
        if str(category["name"]) not in classes:
            reason = f"{_name('categories', place, category)}: {train_file} has no category '{category['name']}'"
            raise LabelError(file, None, reason)
    names = _find_images(archive, document, file, folder)
    check_held_out(archive, train_names, dict.fromkeys(names), file)
    return Split(_read_examples(archive, document, file, names, classes), classes)


def find_list(archive: Archive, split: str) -> tuple[str, str]:
    """The file that lists a split (`train`, `val` or `test`), and the folder of its images, which has the same name."""
    found = [match for name in sorted(archive.files) if (match := re.fullmatch(NAMES.format(split), name))]
    if len(found) > 1:
        raise LabelError(found[1].string, None, f"{found[0].string} lists '{split}' too: keep one of them")
    return (found[0].string, found[0][1]) if found else (f"annotations/{split}.json", split)


def parse(text: str, file: str) -> Document:
    """Parses the document and checks its three lists; raises LabelError."""
    try:
        document: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise LabelError(file, error.lineno, f"this is not JSON: {error.msg}") from error
    for key, names in FIELDS.items():
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise LabelError(file, None, f"the list '{key}' is missing")
        for place, entry in enumerate(document[key]):
            for name in names:
                if not isinstance(entry, dict) or not isinstance(entry.get(name), int | str):
                    raise LabelError(file, None, f"{key}[{place}] has no number or text '{name}'")
    for key, name in UNIQUE:
        if (repeated := find_repeated(entry[name] for entry in document[key])) is not None:
            raise LabelError(
                file, None, f"{key}[{repeated}]: the {name} '{document[key][repeated][name]}' occurs twice"
            )
    if not document["images"]:
        raise LabelError(file, None, "it lists no images")
    checked: Document = document
    return checked


def read_annotation(annotation: Entry, names: dict[Any, str], file: str, place: int) -> Row:
    """The box and label of an annotation, whose `bbox` is x, y, width, height."""
    category, entry = _find(names, annotation, "category_id", file, place), _name("annotations", place, annotation)
    try:
        x, y, width, height = (float(v) for v in annotation["bbox"])
    except (KeyError, TypeError, ValueError):
        raise LabelError(file, None, f"{entry}: bbox is not four numbers") from None
    return Row(None, names[category], (x, y, x + width, y + height), entry)


def _read_examples(
    archive: Archive, document: Document, file: str, names: list[str], classes: tuple[str, ...]
) -> list[Example]:
    categories = {entry["id"]: str(entry["name"]) for entry in document["categories"]}
    rows: dict[Any, list[Row]] = {image["id"]: [] for image in document["images"]}
    for place, annotation in enumerate(document["annotations"]):
        if annotation.get("iscrowd") in (None, 0, "0"):
            image_id = _find(rows, annotation, "image_id", file, place)
            rows[image_id].append(read_annotation(annotation, categories, file, place))
    examples = []
    for place, (image, photo) in enumerate(zip(document["images"], open_photos(archive.files, names), strict=True)):
        width, height = image.get("width"), image.get("height")
        if isinstance(width, int) and isinstance(height, int):
            check_size(photo, (width, height), f"{file}: {_name('images', place, image)}")
        examples.append(build_example(photo, rows[image["id"]], f"{file} ({photo.name})", classes))
    return examples


def _name(key: str, place: int, entry: Entry) -> str:
    """How a message names an entry: by its place in the list, and by its id if it has one."""
    return f"{key}[{place}]" + (f" (id {entry['id']})" if "id" in entry else "")


def _find(known: dict[Any, Any], annotation: Entry, key: str, file: str, place: int) -> Any:
    if annotation.get(key) not in known:
        entry = _name("annotations", place, annotation)
        raise LabelError(file, None, f"{entry}: {key} {annotation.get(key)} is not in the file")
    return annotation[key]


def _find_images(archive: Archive, document: Document, file: str, folder: str) -> list[str]:
    """The name of every image in the archive. The split's own folder comes first: two splits may use the same names."""
    names = []
    for place, image in enumerate(document["images"]):
        name = image["file_name"]
        places = (f"{folder}/{name}", f"images/{folder}/{name}", name, f"images/{name}", f"train/{name}", f"val/{name}")
        if (found := next((candidate for candidate in places if candidate in archive.files), None)) is None:
            raise LabelError(
                file,
                None,
                f"{_name('images', place, image)}: {places[0]} does not exist, nor in any other usual folder",
            )
        names.append(found)
    return names
