"""Masks drawn from COCO's polygons and run lengths agree with pycocotools' own reading of the file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convoy_training.data import coco_masks
from convoy_training.data.faults import collecting
from convoy_training.data.reading import Division, Reading
from convoy_training.errors import LabelError
from pycocotools.coco import COCO

from tests.unit.training.test_forms import Files, picture
from tests.unit.training.test_labels import write

LARGE = {"image_id": 1, "category_id": 7, "segmentation": [[2, 2, 35, 2, 35, 27, 2, 27]]}
SMALL = {"image_id": 1, "category_id": 5, "segmentation": [[10, 10, 20, 10, 15, 20], [30, 4, 34, 4, 32, 9]]}
CROWD = {"image_id": 2, "category_id": 5, "iscrowd": 1, "segmentation": {"size": [30, 40], "counts": [300, 90, 810]}}


def document(*annotations: dict[str, Any]) -> str:
    entries = [{"id": n, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0, **a} for n, a in enumerate(annotations, 1)]
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 40, "height": 30} for n in (1, 2)]
    categories = [{"id": 5, "name": "car"}, {"id": 7, "name": "road"}]
    return json.dumps({"images": images, "categories": categories, "annotations": entries})


def pictures() -> Files:
    return {f"images/{n}.jpg": picture(40 * n) for n in (1, 2)}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools' own decoder
def test_regions_are_what_pycocotools_reads(tmp_path: Path) -> None:
    files: Files = {"annotations/train.json": document(SMALL, LARGE, CROWD), **pictures()}
    split = coco_masks.load_split(write(tmp_path, files), "train")
    assert split.classes == ("background", "car", "road")
    first, second = (example.read_mask() for example in split.examples)
    reference = COCO(str(tmp_path / "annotations/train.json"))
    small, large, crowd = (reference.annToMask(reference.anns[n]).astype(bool) for n in (1, 2, 3))
    assert small.sum() > 50 and (large & small).sum() > 50
    np.testing.assert_array_equal(first, np.where(small, 1, np.where(large, 2, 0)))
    np.testing.assert_array_equal(second, np.where(crowd, 255, 0))
    assert split.pixels.tolist() == [int((first == n).sum() + (second == n).sum()) for n in range(3)]


def test_a_region_that_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    other = {**CROWD, "segmentation": {"size": [40, 30], "counts": [300, 90, 810]}}
    wrong = {**SMALL, "segmentation": [[1, 2, 3, 4]]}
    files: Files = {"annotations/train.json": document(wrong, other), **pictures()}
    with collecting() as found:
        split = coco_masks.load_split(write(tmp_path, files), "train", Reading(on_error="skip"))
    assert [str(fault) for fault in found.faults] == [
        "annotations/train.json: annotations[0]: a polygon needs three points x, y",
        "images/2.jpg: run lengths are of 30x40 pixels, the image has 40x30",
    ]
    assert not split.examples


def test_one_list_is_divided_and_classes_are_chosen(tmp_path: Path) -> None:
    files: Files = {"result.json": document(SMALL, LARGE, CROWD), **pictures()}
    chosen = (("other", ("background", "road")), ("car", ("car",)))
    how = Reading(division=Division(val=0.5), classes=chosen)
    root = write(tmp_path, files)
    parts = [coco_masks.load_split(root, split, how) for split in ("train", "validation")]
    assert [len(part.examples) for part in parts] == [1, 1] and parts[0].classes == ("other", "car")
    with pytest.raises(LabelError, match=r"train\.json: the file does not exist"):
        coco_masks.load_split(root, "train")
