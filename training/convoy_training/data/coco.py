"""Reads boxes from COCO JSON (Lin et al. 2014): annotations/<split>.json, with images below <split>/ or images/.

COCO's own names work too: annotations/instances_train2017.json with train2017/, and the same for val; so do Roboflow's
(<split>/_annotations.coco.json beside the pictures), and with `split` one list alone, as CVAT and Label Studio write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.assembly import Listed, Pool, assemble
from convoy_training.data.boxes import Row, Split
from convoy_training.data.faults import add_fault, add_note, remembered
from convoy_training.data.layout import refuse_layout
from convoy_training.data.lists import ALIASES, find_repeated, name_key
from convoy_training.data.poses import Pose
from convoy_training.data.reading import PLAIN, Reading
from convoy_training.errors import LabelError

Entry = dict[str, Any]
Document = dict[str, list[Entry]]

FIELDS = {"images": ("id", "file_name"), "annotations": ("image_id", "category_id"), "categories": ("id", "name")}
"""The fields that every entry of the three lists must have."""
UNIQUE = (("images", "id"), ("categories", "id"), ("categories", "name"))
NAMES = r"annotations/(?:instances_)?({}(?:20\d\d)?)\.json"
ROBOFLOW = "_annotations.coco.json"
EXPECTED = """annotations/train.json
annotations/val.json
images/, or train/ and val/
or, with `split` in the recipe, one list of any name and its pictures"""


@remembered
def load_split(path: str, split: str, how: Reading = PLAIN) -> Split:
    """Loads the images of annotations/train.json or, for `validation`, val.json. Crowds are no boxes to learn.

    The order of the categories in train.json numbers the labels. Other splits must use the same names.
    """
    archive = open_archive(path)
    return assemble(archive, _list_pool(archive, split, how), split, how)


def _list_pool(archive: Archive, split: str, how: Reading) -> Pool:
    if how.division:
        parts = [Part(archive, *place) for place in find_every(archive)]
        classes = list(dict.fromkeys(name for part in parts for name in part.categories.values()))
        return Pool(tuple(classes), [entry for part in parts for entry in part.list_pictures()])
    train = Part(archive, *find_list(archive, "train"))
    pool = Pool(tuple(train.categories.values()), train.list_pictures())
    if split != "train":
        held_out = Part(archive, *find_list(archive, name_key(split)))
        for place, category in enumerate(held_out.document["categories"]):
            name = held_out.categories.get(category["id"])
            if name is not None and name not in pool.classes:
                reason = f"{_name('categories', place, category)}: {train.file} has no category '{name}'"
                add_fault(LabelError(held_out.file, None, reason, "unknown class"))
        pool.held_out, pool.file = held_out.list_pictures(), held_out.file
    return pool


class Part:
    """One list: its document, its categories by id, and the folder of its pictures."""

    def __init__(self, archive: Archive, file: str, folder: str) -> None:
        if file not in archive.files:
            raise refuse_layout(archive, EXPECTED, f"{file}: the file does not exist")
        self.archive, self.file, self.folder = archive, file, folder
        self.document = parse(archive.read_text(file), file)
        self.categories = _name_categories(self.document, file)
        self.points = {one["id"]: _name_points(one) for one in self.document["categories"]}

    def list_pictures(self) -> list[Listed]:
        """The pictures with their boxes. A picture that is listed twice is one picture with the boxes of both."""
        rows: dict[Any, list[Row]] = {image["id"]: [] for image in self.document["images"]}
        crowds: dict[Any, list[Row]] = {image["id"]: [] for image in self.document["images"]}
        wrong = set()
        for place, annotation in enumerate(self.document["annotations"]):
            try:
                image_id = _find(rows, annotation, "image_id", self.file, place)
                crowd = annotation.get("iscrowd") not in (None, 0, "0", False)
                row = read_annotation(annotation, self.categories, self.file, place)
                if "keypoints" in annotation:
                    row = replace(row, pose=Pose(annotation["keypoints"], self.points[annotation["category_id"]]))
                (crowds if crowd else rows)[image_id].append(row)
            except LabelError as error:
                add_fault(error)
                wrong.add(annotation.get("image_id"))
        listed: dict[str, Listed] = {}
        for place, image in enumerate(self.document["images"]):
            name = self.find_image(place, image)
            if name is None or image["id"] in wrong:
                continue
            size = read_size(image.get("width")), read_size(image.get("height"))
            stated = (size[0], size[1]) if size[0] is not None and size[1] is not None else None
            here, masses = rows[image["id"]], crowds[image["id"]]
            if name in listed:
                told = f"{_name('images', place, image)}: {name} is listed twice; the boxes of both are taken"
                add_note("picture listed twice", self.file, None, told)
                here, masses = [*listed[name].rows, *here], [*listed[name].crowds, *masses]
            where = f"{self.file}: {_name('images', place, image)}"
            listed[name] = Listed(name, here, f"{self.file} ({name})", masses, stated, where)
        return list(listed.values())

    def find_image(self, place: int, image: Entry) -> str | None:
        """The name of an image in the archive. The split's own folder comes first: two splits may share names."""
        name, folder, known = str(image["file_name"]).replace("\\", "/"), self.folder, self.archive.files
        inside = f"{folder}/" if folder else ""
        places = [f"{inside}{name}", f"images/{inside}{name}", name, f"images/{name}", f"train/{name}", f"val/{name}"]
        last = name.rpartition("/")[2]
        for candidate in (*places, f"{inside}{last}", f"images/{last}"):
            if candidate in known:
                return candidate
        told = f"{_name('images', place, image)}: {places[0]} does not exist, nor in any other usual folder"
        add_fault(LabelError(self.file, None, told, "missing picture"))
        return None


def find_list(archive: Archive, split: str) -> tuple[str, str]:
    """The file that lists a split (`train`, `val` or `test`), and the folder of its images, which has the same name."""
    found: list[tuple[str, str]] = []
    for word in ALIASES.get(split, (split,)):
        found += [(m.string, m[1]) for name in sorted(archive.files) if (m := re.fullmatch(NAMES.format(word), name))]
        found += [(f"{word}/{ROBOFLOW}", word)] if f"{word}/{ROBOFLOW}" in archive.files else []
    if len(found) > 1:
        raise LabelError(found[1][0], None, f"{found[0][0]} lists '{split}' too: keep one of them")
    return found[0] if found else (f"annotations/{split}.json", split)


def find_every(archive: Archive) -> list[tuple[str, str]]:
    """All lists: those of the splits but `test`, or else every JSON file that lists images with annotations."""
    known = [find_list(archive, split) for split in ("train", "val")]
    if found := [place for place in known if place[0] in archive.files]:
        return found
    files = [name for name in archive.files if name.lower().endswith(".json")]
    lists = [name for name in files if all(f'"{key}"'.encode() in archive.files[name] for key in FIELDS)]
    if not lists:
        raise refuse_layout(archive, EXPECTED, "there is no list in the form of COCO")
    return [(name, name.rpartition("/")[0]) for name in lists]


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
    """The box and label of an annotation, whose `bbox` is x, y, width, height; without one, that of its polygons."""
    category, entry = _find(names, annotation, "category_id", file, place), _name("annotations", place, annotation)
    polygons = annotation.get("segmentation")
    try:
        if "bbox" not in annotation and isinstance(polygons, list) and polygons:
            box = enclose(v for polygon in polygons for v in polygon)
            return Row(None, names[category], box, entry, polygons)
        x, y, width, height = (float(v) for v in annotation["bbox"])
    except (KeyError, TypeError, ValueError):
        raise LabelError(file, None, f"{entry}: bbox is not four numbers", "box unreadable") from None
    return Row(None, names[category], (x, y, x + width, y + height), entry, polygons or None)


def enclose(numbers: Iterable[Any]) -> tuple[float, float, float, float]:
    """The box around points x, y, x, y, ...; raises ValueError without any."""
    values = [float(number) for number in numbers]
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def read_size(value: Any) -> float | None:
    """A number, also where a tool has written it as text; None for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _name_categories(document: Document, file: str) -> dict[Any, str]:
    """The categories by id, without those that are only the parent of others and that no annotation uses."""
    parents = {str(entry.get("supercategory")) for entry in document["categories"]}
    used = {annotation["category_id"] for annotation in document["annotations"]}
    names = {}
    for entry in document["categories"]:
        name = str(entry["name"])
        others = [e for e in document["categories"] if e is not entry and str(e.get("supercategory")) == name]
        if name in parents and others and entry["id"] not in used:
            told = f"category '{name}' is only the parent of others, and is left out"
            add_note("category without use", file, None, told)
        else:
            names[entry["id"]] = name
    return names


def _name_points(category: Entry) -> tuple[str, ...]:
    names = category.get("keypoints")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _name(key: str, place: int, entry: Entry) -> str:
    """How a message names an entry: by its place in the list, and by its id if it has one."""
    return f"{key}[{place}]" + (f" (id {entry['id']})" if "id" in entry else "")


def _find(known: dict[Any, Any], annotation: Entry, key: str, file: str, place: int) -> Any:
    if annotation.get(key) not in known:
        entry = _name("annotations", place, annotation)
        raise LabelError(file, None, f"{entry}: {key} {annotation.get(key)} is not in the file", "unknown reference")
    return annotation[key]
