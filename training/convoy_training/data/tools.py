"""Reads what labelling tools write of their own: JSON of labelme, the VGG Image Annotator, Label Studio; CVAT's XML.

All give shapes by label. As boxes they are read for `data.format: labelme`, `via`, `cvat` or `label_studio`; their
pictures lie anywhere in the data, found by name. Such data has no splits: `split` in the recipe divides it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import cos, hypot, radians, sin
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.assembly import Listed, Pool, assemble
from convoy_training.data.boxes import Row, Split
from convoy_training.data.coco import enclose, read_size
from convoy_training.data.faults import add_fault, add_note, remembered
from convoy_training.data.layout import refuse_layout
from convoy_training.data.lists import CLASSES, IMAGES, parse_classes
from convoy_training.data.reading import PLAIN, Reading
from convoy_training.data.voc import decode_xml
from convoy_training.errors import LabelError

LABEL_STUDIO_SHAPES = ("rectanglelabels", "polygonlabels", "ellipselabels")
EXPECTED = {
    "labelme": "pictures, and for each a JSON file of labelme beside it (*.json with `shapes`)",
    "via": "pictures, and a project or an export of VIA (*.json with `regions`)",
    "cvat": "pictures, and CVAT's `CVAT for images` (annotations.xml)",
    "label_studio": "pictures, and Label Studio's export as JSON or JSON-MIN (*.json with `original_width`)",
}


@remembered
def load_split(path: str, split: str, tool: str, how: Reading = PLAIN) -> Split:
    """Loads the pictures of a split; raises LabelError without `split` in the recipe, or without a file of the tool."""
    archive = open_archive(path)
    if not how.division:
        told = f"{tool} writes no training and validation split: add `split: {{val: 0.1}}` to the recipe's data"
        raise LabelError("data.split", None, told, "layout")
    listed = list(READERS[tool](archive))
    if not listed:
        raise refuse_layout(archive, EXPECTED[tool], f"there is no file as {tool} writes it")
    known = parse_classes(archive.read_text(CLASSES)) if CLASSES in archive.files else ()
    classes = known or tuple(sorted({row.label for entry in listed for row in entry.rows}))
    return assemble(archive, Pool(classes, listed), split, how)


def _read_labelme(archive: Archive) -> Iterator[Listed]:
    places = _place_pictures(archive)
    for file, document in _documents(archive, "shapes"):
        stem = file.rpartition(".")[0]
        image = _find(places, str(document.get("imagePath") or ""), stem, file)
        rows = list(_read_shapes(document["shapes"], file, _read_labelme_shape))
        if image:
            stated = read_size(document.get("imageWidth")), read_size(document.get("imageHeight"))
            size = (stated[0], stated[1]) if stated[0] and stated[1] else None
            yield Listed(image, rows, file, stated=size)


def _read_labelme_shape(shape: Mapping[str, Any]) -> tuple[str, list[float]]:
    points = [float(value) for point in shape["points"] for value in point]
    if shape.get("shape_type") == "circle":  # its centre, and a point on its edge
        x, y, edge_x, edge_y = points
        radius = ((edge_x - x) ** 2 + (edge_y - y) ** 2) ** 0.5
        points = [x - radius, y - radius, x + radius, y + radius]
    return str(shape["label"]), points


def _read_via(archive: Archive) -> Iterator[Listed]:
    places = _place_pictures(archive)
    for file, document in _documents(archive, "regions"):
        entries = document.get("_via_img_metadata", document)
        for entry in entries.values() if isinstance(entries, dict) else ():
            if not isinstance(entry, dict) or "regions" not in entry:
                continue
            image = _find(places, str(entry.get("filename", "")), "", file)
            regions = entry["regions"]
            regions = list(regions.values()) if isinstance(regions, dict) else regions  # VIA 1 numbers them
            rows = list(_read_shapes(regions, file, _read_via_region))
            if image:
                yield Listed(image, rows, file)


def _read_via_region(region: Mapping[str, Any]) -> tuple[str, list[float]]:
    shape, told = region["shape_attributes"], region["region_attributes"]
    label = next((str(told[key]) for key in ("class", "label", "name", "type", "category") if told.get(key)), "")
    label = label or next(str(value) for value in told.values() if value)
    if "all_points_x" in shape:
        pairs = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
        return label, [float(value) for pair in pairs for value in pair]
    if "cx" in shape:
        wide, high = (float(shape.get(name, shape.get("r", 0))) for name in ("rx", "ry"))
        x, y = float(shape["cx"]), float(shape["cy"])
        return label, [x - wide, y - high, x + wide, y + high]
    x, y, width, height = (float(shape[name]) for name in ("x", "y", "width", "height"))
    return label, [x, y, x + width, y + height]


def _read_cvat(archive: Archive) -> Iterator[Listed]:
    places = _place_pictures(archive)
    for file in sorted(name for name in archive.files if name.lower().endswith(".xml")):
        try:
            root = ElementTree.fromstring(decode_xml(archive.files[file], file))
        except ElementTree.ParseError as error:
            add_fault(LabelError(file, error.position[0], "this is not XML", "label file unreadable"))
            continue
        for entry in root.iter("image"):
            image = _find(places, entry.get("name", ""), "", file)
            rows = list(_read_shapes(list(entry), file, _read_cvat_shape))
            if image:
                size = read_size(entry.get("width")), read_size(entry.get("height"))
                yield Listed(image, rows, file, stated=(size[0], size[1]) if size[0] and size[1] else None)


def _read_cvat_shape(shape: ElementTree.Element) -> tuple[str, list[float]] | None:
    if shape.tag == "box":
        return shape.attrib["label"], [float(shape.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr")]
    if shape.tag == "ellipse":
        x, y, wide, high = (float(shape.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
        return shape.attrib["label"], [x - wide, y - high, x + wide, y + high]
    if shape.tag in ("polygon", "polyline", "points"):
        pairs = shape.attrib["points"].split(";")
        return shape.attrib["label"], [float(value) for pair in pairs for value in pair.split(",")]
    return None  # tags and masks have no corners


def _read_label_studio(archive: Archive) -> Iterator[Listed]:
    places = _place_pictures(archive)
    for file, tasks in _documents(archive, "original_width", list):
        for entry in tasks:
            results = list(_list_results(entry))
            address = next((one for one in _list_addresses(entry) if one.lower().endswith(IMAGES)), "")
            name = unquote(address.rpartition("?d=")[2])
            short = name.rpartition("/")[2]
            image = _find(places, name, "", file, also=(short[9:],) if short[8:9] == "-" else ())
            rows = list(_read_shapes(results, file, _read_label_studio_result))
            if image:
                size = next(((read_size(one.get("original_width")), read_size(one.get("original_height")))
                             for one in results if isinstance(one, dict)), (None, None))  # fmt: skip
                yield Listed(image, rows, file, stated=(size[0], size[1]) if size[0] and size[1] else None)


def _list_results(entry: Mapping[str, Any]) -> Iterator[Any]:
    """The shapes of a task: of the annotation that counts as truth, or else the first; JSON-MIN has them in itself."""
    if "annotations" in entry:
        kept = [one for one in entry["annotations"] if isinstance(one, dict) and not one.get("was_cancelled")]
        kept.sort(key=lambda one: not one.get("ground_truth"))
        yield from kept[0].get("result", ()) if kept else ()
        return
    for value in entry.values():
        if isinstance(value, list):
            yield from (one for one in value if isinstance(one, dict) and "original_width" in one)


def _list_addresses(entry: Mapping[str, Any]) -> Iterator[str]:
    """Where a task's picture may be: `/data/upload/1/0a1b2c3d-cat.jpg`, or an address that ends in its path."""
    yield from (one for one in dict(entry.get("data") or {}).values() if isinstance(one, str))
    yield from (one for one in entry.values() if isinstance(one, str))


def _read_label_studio_result(result: Mapping[str, Any]) -> tuple[str, list[float]] | None:
    value: Mapping[str, Any] = result.get("value", result)
    label = next((str(value[key][0]) for key in LABEL_STUDIO_SHAPES if value.get(key)), "")
    if not label:
        return None  # a choice, a text, a relation, or a brush, which has no corners
    wide, high = (float(result[name]) / 100 for name in ("original_width", "original_height"))  # it counts in per cent
    if "points" in value:
        return label, [float(v) * by for x, y in value["points"] for v, by in ((x, wide), (y, high))]
    x, y = float(value["x"]) * wide, float(value["y"]) * high
    turn = radians(float(value.get("rotation") or 0))
    if "radiusX" in value:
        across, down = float(value["radiusX"]) * wide, float(value["radiusY"]) * high
        half_x, half_y = hypot(across * cos(turn), down * sin(turn)), hypot(across * sin(turn), down * cos(turn))
        return label, [x - half_x, y - half_y, x + half_x, y + half_y]
    across, down = float(value["width"]) * wide, float(value["height"]) * high
    corners = ((0.0, 0.0), (across, 0.0), (0.0, down), (across, down))  # it turns about the upper left one, clockwise
    return label, [
        v for a, b in corners for v in (x + a * cos(turn) - b * sin(turn), y + a * sin(turn) + b * cos(turn))
    ]


READERS: Mapping[str, Callable[[Archive], Iterator[Listed]]] = {
    "labelme": _read_labelme,
    "via": _read_via,
    "cvat": _read_cvat,
    "label_studio": _read_label_studio,
}


def _read_shapes(shapes: Any, file: str, read: Callable[[Any], tuple[str, list[float]] | None]) -> Iterator[Row]:
    """A row for each shape; one that cannot be read is a fault, one without an area a note."""
    for place, shape in enumerate(shapes):
        try:
            found = read(shape)
        except (KeyError, TypeError, ValueError, StopIteration):
            told = f"shape {place} has no label, or no points that are numbers"
            add_fault(LabelError(file, None, told, "box unreadable"))
            continue
        if found is None or len(found[1]) < 4:
            add_note("shape without a box", file, None, f"shape {place} is left out: it encloses nothing")
            continue
        yield Row(None, found[0], enclose(found[1]), f"shape {place}")


def _documents(archive: Archive, key: str, kind: type = dict) -> Iterator[tuple[str, Any]]:
    """The JSON files that mention a key, each an object or a list; one that is no JSON is a fault."""
    for file in sorted(name for name in archive.files if name.lower().endswith(".json")):
        if f'"{key}"'.encode() not in archive.files[file]:
            continue
        try:
            document = json.loads(archive.read_text(file))
        except json.JSONDecodeError as error:
            add_fault(LabelError(file, error.lineno, f"this is not JSON: {error.msg}", "label file unreadable"))
            continue
        if isinstance(document, kind):
            yield file, document


def _place_pictures(archive: Archive) -> dict[str, str]:
    """Pictures by their whole names and, where that is clear, by the last part of them."""
    pictures = [name for name in archive.files if name.lower().endswith(IMAGES)]
    lasts = [name.rpartition("/")[2] for name in pictures]
    counts = Counter(lasts)
    places = {last: name for last, name in zip(lasts, pictures, strict=True) if counts[last] == 1}
    return places | {name: name for name in pictures}


def _find(
    places: Mapping[str, str], name: str, stem: str, file: str, also: tuple[str, ...] = ()
) -> str | None:  # fmt: skip
    """The picture that a label file names, or that lies beside it; a fault if there is none."""
    name = name.replace("\\", "/")
    folder = file.rpartition("/")[0]
    beside = [f"{folder}/{name}".lstrip("/"), name, name.rpartition("/")[2]]
    beside += [*also, *(f"{stem}{suffix}" for suffix in IMAGES if stem)]
    if found := next((places[one] for one in beside if one in places), None):
        return found
    add_fault(LabelError(file, None, f"the picture '{name}' is not in the data", "missing picture"))
    return None
