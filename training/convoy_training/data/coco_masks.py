"""Draws masks from the polygons and run lengths of COCO JSON, for segmentation. What nothing covers is `background`.

Large regions are drawn first, so that a small one on a large one stays visible; crowds are ignored.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as runs

from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.coco import Entry, Part, find_every, find_list, read_size
from convoy_training.data.division import divide
from convoy_training.data.faults import add_fault, remembered
from convoy_training.data.lists import check_held_out, name_key
from convoy_training.data.mask_files import IGNORE
from convoy_training.data.masks import Split, build_split
from convoy_training.data.photo import open_photo
from convoy_training.data.reading import PLAIN, Reading
from convoy_training.errors import LabelError

BACKGROUND = "background"
SUFFIX = " (regions)"
"""Ends the names of drawn masks: no file has this name."""


class Drawn(Mapping[str, bytes]):
    """Files, and the masks of pictures as PNG, each drawn when you ask for it."""

    def __init__(self, files: Mapping[str, bytes], regions: Mapping[str, list[tuple[int, Any]]]) -> None:
        self.files, self.regions = files, regions

    def __getitem__(self, name: str) -> bytes:
        if not name.endswith(SUFFIX):
            return self.files[name]
        image = name.removesuffix(SUFFIX)
        photo, file = open_photo(self.files, image), io.BytesIO()
        Image.fromarray(draw(self.regions[image], photo.height, photo.width, image)).save(file, "PNG", compress_level=1)
        return file.getvalue()

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


@remembered
def load_split(path: str, split: str, how: Reading = PLAIN) -> Split:
    """Loads the pictures of annotations/train.json or, for `validation`, val.json, with the regions that are drawn."""
    archive = open_archive(path)
    if how.division:
        parts = [Part(archive, *place) for place in find_every(archive)]
    else:
        keys = dict.fromkeys(("train", name_key(split)))
        parts = [Part(archive, *find_list(archive, key)) for key in keys]
    names = (
        BACKGROUND,
        *dict.fromkeys(name for part in parts for name in part.categories.values() if name != BACKGROUND),
    )
    found = [_read_regions(part, names) for part in parts]
    listed = [image for regions in found for image in regions]
    if how.division:
        chosen = divide(listed, [""] * len(listed), how.division)
        images = [image for image, held_out in zip(listed, chosen, strict=True) if held_out == (split != "train")]
    else:
        images = list(found[-1])
        if split != "train":
            shared = check_held_out(archive, found[0], dict.fromkeys(images), parts[-1].file)
            images = [image for image in images if image not in shared]
    regions = {image: entries for part in found for image, entries in part.items()}
    drawn = Archive(Drawn(archive.files, regions), archive.digest, archive.sums)
    return build_split(drawn, [(image, f"{image}{SUFFIX}") for image in images], names, how)


def _read_regions(part: Part, names: tuple[str, ...]) -> dict[str, list[tuple[int, Any]]]:
    """The regions of each picture by its name: id of the class, or IGNORE, and polygons or run lengths."""
    places: dict[Any, str] = {}
    for place, image in enumerate(part.document["images"]):
        if (name := part.find_image(place, image)) is not None:
            places[image["id"]] = name
    regions: dict[str, list[tuple[int, Any]]] = {name: [] for name in places.values()}
    for place, annotation in enumerate(part.document["annotations"]):
        try:
            shape = _find_shape(annotation, part, place)
        except LabelError as error:
            add_fault(error)
            regions.pop(places.pop(annotation.get("image_id"), ""), None)
            continue
        if annotation["image_id"] in places:
            crowd = annotation.get("iscrowd") not in (None, 0, "0", False)
            number = IGNORE if crowd else names.index(part.categories[annotation["category_id"]])
            regions[places[annotation["image_id"]]].append((number, shape))
    return regions


def _find_shape(annotation: Entry, part: Part, place: int) -> Any:
    shape, known = annotation.get("segmentation"), part.categories
    told = ""
    if annotation["category_id"] not in known:
        told = f"category_id {annotation['category_id']} is not in the file"
    elif isinstance(shape, dict) and not {"counts", "size"} <= shape.keys():
        told = "its run lengths lack `counts` or `size`"
    elif isinstance(shape, list) and any(len(points) < 6 or len(points) % 2 for points in shape):
        told = "a polygon needs three points x, y"
    elif not shape:
        told = "it has no region: a box alone makes no mask"
    if told:
        raise LabelError(part.file, None, f"annotations[{place}]: {told}", "region unreadable")
    return shape


def draw(regions: list[tuple[int, Any]], height: int, width: int, file: str) -> NDArray[np.uint8]:
    """The ids [H,W]; raises LabelError for run lengths of a picture of another size."""
    filled = [(number, _fill(shape, height, width, file)) for number, shape in regions]
    mask = np.zeros((height, width), np.uint8)
    for number, region in sorted(filled, key=lambda one: -int(one[1].sum())):
        mask[region] = number
    return mask


def _fill(shape: Any, height: int, width: int, file: str) -> NDArray[np.bool_]:
    if isinstance(shape, dict):
        size = [read_size(side) or 0 for side in shape["size"]]
        if size != [height, width]:
            told = f"run lengths are of {size[1]:g}x{size[0]:g} pixels, the image has {width}x{height}"
            raise LabelError(file, None, told, "other size")
        counts = shape["counts"]
    else:
        polygons = [[float(value) for value in points] for points in shape]
        counts = runs.merge(runs.frPyObjects(polygons, height, width))["counts"]
    lengths = counts if isinstance(counts, list) else decode_runs(counts)
    if sum(lengths) != height * width:
        told = f"the run lengths cover {sum(lengths)} pixels of {height * width}"
        raise LabelError(file, None, told, "region unreadable")
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(width, height).T


def decode_runs(packed: str | bytes) -> list[int]:
    """The run lengths that COCO writes as text: five bits a letter, and from the third on the change by two places.

    `pycocotools.mask.decode` does the same, but warns under NumPy 2.
    """
    letters = iter(packed.encode() if isinstance(packed, str) else packed)
    lengths: list[int] = []
    for letter in letters:
        value, shift, code = 0, 0, letter - 48
        while True:
            value |= (code & 0x1F) << shift
            shift += 5
            if not code & 0x20:
                break
            code = next(letters) - 48
        value -= (1 << shift) if code & 0x10 else 0
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
    return lengths
