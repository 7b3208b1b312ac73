"""YOLO text with points (YOLO-pose) and polygons (YOLO-seg): they say what the same objects say in COCO JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from convoy_training.data.archive import open_archive
from convoy_training.data.instances import decode
from convoy_training.errors import LabelError
from convoy_training.recipe_file import resolve_recipe
from convoy_training.tasks import detection

from benchmarks import made_objects
from tests.unit.training.test_mask_rcnn import fish
from tests.unit.training.test_points import SMALL

# pycocotools 2.0.11 does not know a keyword of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

POINTS = list(made_objects.POINTS)
MASKS = {"architecture": "yolo-masks", "head_width": 16, "widths": (4, 8, 16, 16, 16), "depths": (1, 1, 1, 1)}


def rewrite(folder: Path, lines: Any, **fields: Any) -> None:
    """Write the COCO JSON of made fish as YOLO text with a data.yaml. lines: gives the numbers of an annotation."""
    for split in ("train", "val"):
        file = folder / f"annotations/{split}.json"
        document = json.loads(file.read_text())
        (folder / "images").mkdir(exist_ok=True)
        (folder / split).rename(folder / "images" / split)
        (folder / "labels" / split).mkdir(parents=True)
        for image in document["images"]:
            own = [one for one in document["annotations"] if one["image_id"] == image["id"]]
            text = "".join(f"0 {' '.join(f'{value:.9g}' for value in lines(one))}\n" for one in own)
            (folder / f"labels/{split}/{image['id']:04}.txt").write_text(text)
        file.unlink()
    layout = {"train": "images/train", "val": "images/val", "names": ["fish"], **fields}
    (folder / "data.yaml").write_text(yaml.safe_dump(layout))
    open_archive.cache_clear()


def box(annotation: dict[str, Any]) -> list[float]:
    x, y, width, height = (float(edge) / made_objects.SIDE for edge in annotation["bbox"])
    return [x + width / 2, y + height / 2, width, height]


def pose(annotation: dict[str, Any]) -> list[float]:
    points = np.array(annotation["keypoints"], float).reshape(-1, 3) / [made_objects.SIDE, made_objects.SIDE, 1]
    return [*box(annotation), *points.ravel().tolist()]


def as_yolo(config: Any) -> Any:
    return resolve_recipe(config.model_dump() | {"data": {**config.data.model_dump(), "format": "yolo"}}, "test")[1]


@pytest.mark.parametrize(
    "named",
    [{}, {"kpt_names": {0: POINTS}}, {"kpt_names": [POINTS]}],
    ids=["in the recipe's order", "by name", "as a list of lists"],
)
def test_points_are_those_of_coco(tmp_path: Path, named: dict[str, Any]) -> None:
    config = fish(tmp_path / "data", **SMALL)
    wanted = {split: detection.load_split(config, split) for split in ("train", "validation")}
    rewrite(tmp_path / "data", pose, kpt_shape=[4, 3], flip_idx=[0, 1, 3, 2], **named)
    for split, known in wanted.items():
        found = detection.load_split(as_yolo(config), split)
        assert len(found.examples) == len(known.examples) and found.classes == ("fish",)
        for one, other in zip(found.examples, known.examples, strict=True):
            np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=1e-3)
            assert one.places is not None and other.places is not None and len(one.places.points)
            np.testing.assert_allclose(one.places.points, other.places.points, atol=1e-3)
            assert one.places.mirrored == other.places.mirrored == (0, 1, 3, 2)


def test_the_names_of_points_choose_and_order_them(tmp_path: Path) -> None:
    config = fish(tmp_path / "data", **(SMALL | {"points": ["tail", "head"]}))
    wanted = detection.load_split(config, "train").examples[0].places
    rewrite(tmp_path / "data", pose, kpt_shape=[4, 3], kpt_names={0: POINTS})
    found = detection.load_split(as_yolo(config), "train").examples[0].places
    assert found is not None and wanted is not None
    np.testing.assert_allclose(found.points, wanted.points, atol=1e-3)


def test_points_of_two_numbers_are_seen_unless_one_is_negative(tmp_path: Path) -> None:
    def pairs(annotation: dict[str, Any]) -> list[float]:
        points = np.array(pose(annotation)[4:]).reshape(-1, 3)[:, :2]
        points[-1] = -1
        return [*box(annotation), *points.ravel().tolist()]

    config = fish(tmp_path / "data", **SMALL)
    known = np.concatenate([e.places.points for e in detection.load_split(config, "train").examples if e.places])
    rewrite(tmp_path / "data", pairs, kpt_shape=[4, 2])
    found = np.concatenate(
        [e.places.points for e in detection.load_split(as_yolo(config), "train").examples if e.places]
    )
    assert len(known) == len(found) > 3 and (known[..., 2] > 0).all()
    np.testing.assert_allclose(found[:, :-1, :2], known[:, :-1, :2], atol=1e-3)
    assert (found[:, :-1, 2] == 2).all() and not found[:, -1].any()


def test_a_box_without_points_has_none_that_are_labelled(tmp_path: Path) -> None:
    config = fish(tmp_path / "data", **SMALL)
    rewrite(tmp_path / "data", pose, kpt_shape=[4, 3])
    label = tmp_path / "data/labels/train/0000.txt"
    label.write_text(f"{label.read_text()}0 0.5 0.5 0.25 0.25\n")
    places = detection.load_split(as_yolo(config), "train").examples[0].places
    assert places is not None and not places.points[-1].any() and places.points[0].any()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 0.5 0.5 0.1 0.1 0.5 0.5 2", "0000.txt:1: expected 'class x y width height' and 3 numbers for each of 4"),
        ("0 0.5 0.5 0.1 0.1" + " 0.5 0.5 3" * 4, "0000.png: points of box 1: v of a point is 0, 1 or 2"),
        ("0 0.5 0.5 0.1 0.1" + " 1.5 0.5 2" * 4, "0000.png: points of box 1: a point lies outside the picture"),
        ("0 0.5 0.5 0.1 0.1" + " nan 0.5 2" * 4, "0000.png: points of box 1: there is a number that is not finite"),
    ],
)
def test_wrong_points_are_named(tmp_path: Path, line: str, words: str) -> None:
    config = fish(tmp_path / "data", **SMALL)
    rewrite(tmp_path / "data", pose, kpt_shape=[4, 3])
    (tmp_path / "data/labels/train/0000.txt").write_text(line)
    with pytest.raises(LabelError) as caught:
        detection.load_split(as_yolo(config), "train")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kpt_shape": 4}, "data.yaml:1: kpt_shape is two numbers"),
        ({"kpt_shape": [4, 4]}, "kpt_shape is [4, 4]: there must be a point, of 2 (x, y) or 3 (x, y, v) numbers"),
        ({"kpt_shape": [0, 3]}, "there must be a point"),
        ({"kpt_shape": [4, 3], "kpt_names": {0: ["head"]}}, "kpt_names does not list 4 names of points"),
        ({"kpt_shape": [3, 3]}, "and 3 numbers for each of 3 points"),
    ],
)
def test_a_shape_of_points_that_cannot_be_is_named(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    config = fish(tmp_path / "data", **SMALL)
    rewrite(tmp_path / "data", pose, **fields)
    with pytest.raises(LabelError) as caught:
        detection.load_split(as_yolo(config), "train")
    assert words in str(caught.value)


def test_polygons_are_masks_and_those_of_coco(tmp_path: Path) -> None:
    config = fish(tmp_path / "data", **MASKS)
    for split in ("train", "val"):
        file = tmp_path / f"data/annotations/{split}.json"
        document = json.loads(file.read_text())
        for one in document["annotations"]:
            x, y, width, height = one["bbox"]
            one["segmentation"] = [[x, y + height / 2, x + width / 2, y, x + width, y + height / 3, x + 2, y + height]]
        file.write_text(json.dumps(document))
    open_archive.cache_clear()
    wanted = detection.load_split(config, "train")
    rewrite(tmp_path / "data", lambda one: [edge / made_objects.SIDE for edge in one["segmentation"][0]])
    found = detection.load_split(as_yolo(config), "train")
    for one, other in zip(found.examples, wanted.examples, strict=True):
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=1e-3)
        assert len(one.masks) == len(other.masks) > 0
        for mask, known in zip(one.masks, other.masks, strict=True):
            np.testing.assert_array_equal(decode(mask), decode(known))
