"""Boxes as COCO JSON (Lin et al. 2014): annotations/<split>.json and images below <split>/ or images/."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.boxes import Row, Split, build_example, decode
from convoy_training.errors import LabelError

FIELDS = {"images": ("id", "file_name"), "annotations": ("image_id", "category_id"), "categories": ("id", "name")}
"""What every entry of the three lists must have."""


@cache
def load_split(path: str, split: str) -> Split:
    """The images of annotations/train.json or, for `validation`, val.json; crowds are left out."""
    archive = open_archive(path)
    file = f"annotations/{'val' if split == 'validation' else split}.json"
    document = parse(archive.read_text(file), file)
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    rows: dict[Any, list[Row]] = {image["id"]: [] for image in document["images"]}
    for place, annotation in enumerate(document["annotations"]):
        if not annotation.get("iscrowd"):
            rows[_find(rows, annotation, "image_id", file, place)].append(
                read_annotation(annotation, names, file, place)
            )
    examples = []
    for image in document["images"]:
        name = _find_image(archive, image["file_name"], file)
        examples.append(
            build_example(
                decode(archive.files[name], name), rows[image["id"]], f"{file} ({name})", tuple(names.values())
            )
        )
    return Split(examples, tuple(names.values()))


def parse(text: str, file: str) -> dict[str, list[dict[str, Any]]]:
    """The document, with its three lists."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise LabelError(file, error.lineno, f"this is not JSON: {error.msg}") from error
    for key, names in FIELDS.items():
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise LabelError(file, None, f"the list '{key}' is missing")
        for place, entry in enumerate(document[key]):
            for name in names:
                if not isinstance(entry, dict) or not isinstance(entry.get(name), int | str):
                    raise LabelError(file, None, f"{key}[{place}] has no number or text '{name}'")
    if not document["images"]:
        raise LabelError(file, None, "it lists no images")
    return document


def read_annotation(annotation: dict[str, Any], names: dict[Any, str], file: str, place: int) -> Row:
    """bbox is x, y, width, height."""
    category = _find(names, annotation, "category_id", file, place)
    try:
        x, y, width, height = (float(v) for v in annotation["bbox"])
    except (KeyError, TypeError, ValueError):
        raise LabelError(file, None, f"annotations[{place}]: bbox is not four numbers") from None
    return Row(None, names[category], (x, y, x + width, y + height))


def _find(known: dict[Any, Any], annotation: dict[str, Any], key: str, file: str, place: int) -> Any:
    if annotation.get(key) not in known:
        raise LabelError(file, None, f"annotations[{place}]: {key} {annotation.get(key)} is not in the file")
    return annotation[key]


def _find_image(archive: Archive, name: str, file: str) -> str:
    for candidate in (name, f"images/{name}", f"train/{name}", f"val/{name}"):
        if candidate in archive.files:
            return candidate
    raise LabelError(file, None, f"the image {name} does not exist")
