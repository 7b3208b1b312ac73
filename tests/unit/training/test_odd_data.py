"""Data as people have it: odd files are read as they are meant or told of, and all faults are found at once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convoy_training.data import coco, masks, voc, yolo
from convoy_training.data.faults import Findings, collecting
from convoy_training.data.reading import PLAIN, LabelledSource, Reading
from convoy_training.errors import LabelError
from convoy_training.recipe_file import resolve_recipe
from convoy_training.tasks import detection, segmentation
from pydantic import ValidationError

from tests.unit.training.test_forms import Files, picture, voc_xml
from tests.unit.training.test_labels import png, write

MODULES: dict[str, Any] = {"coco": coco, "voc": voc, "yolo": yolo, "masks": masks}
SKIP = Reading(on_error="skip")


def load(form: str, root: Path, files: Files, how: Reading = PLAIN, split: str = "train") -> tuple[Any, Findings]:
    write(root, files)
    with collecting() as found:
        loaded = MODULES[form].load_split(str(root), split, how)
    return loaded, found


def kinds(found: Findings) -> list[str]:
    assert not found.faults
    return [note.kind for note in found.notes]


def listing(annotations: list[dict[str, Any]], **changes: Any) -> str:
    entries = [{"id": n, "image_id": 1, "category_id": 1, **a} for n, a in enumerate(annotations)]
    document = {"images": [{"id": 1, "file_name": "1.jpg"}], "categories": [{"id": 1, "name": "car"}]}
    return json.dumps({**document, "annotations": entries, **changes})


def coco_set(annotations: list[dict[str, Any]], **changes: Any) -> Files:
    return {"annotations/train.json": listing(annotations, **changes), "train/1.jpg": picture(90)}


BOX = {"bbox": [4, 5, 10, 10]}


def test_crowds_are_ignored_as_in_cocos_protocol(tmp_path: Path) -> None:
    files = coco_set([BOX, {"bbox": [20, 5, 18, 20], "iscrowd": 1}])
    val: Files = {"annotations/val.json": str(files["annotations/train.json"]), "val/1.jpg": picture(50)}
    split, found = load("coco", tmp_path, files | val)
    assert kinds(found) == []
    (example,) = split.examples
    assert example.boxes_xyxy.tolist() == [[4, 5, 14, 15]] and example.crowds_xyxy.tolist() == [[20, 5, 38, 25]]
    fields = {"task": "detection", "name": "t", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 0.1},
              "input_size": 64, "data": {"format": "coco", "path": str(tmp_path), "title": "t"}}  # fmt: skip
    _, config = resolve_recipe(fields, "test")
    assert isinstance(config, detection.Config)

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        boxes = [[4, 5, 14, 15], [20, 5, 28, 15], [29, 5, 37, 15], [20, 15, 28, 24]]
        scale = 64 / 40 if images.shape[1] > 40 else 1
        return {"boxes": np.array([boxes], np.float32) * scale, "scores": np.array([[[0.6], [0.9], [0.8], [0.7]]])}

    values = {metric.name: metric.value for metric in detection.evaluate(predict, config, "validation")}
    assert values["map_50"] == pytest.approx(1.0)


def test_boxes_without_area_and_repeated_ones_are_left_out_and_counted(tmp_path: Path) -> None:
    split, found = load("coco", tmp_path, coco_set([BOX, {"bbox": [4, 5, 0, 10]}, BOX, {"bbox": [40, 0, 1, 9]}]))
    assert kinds(found) == ["box without area", "the same box twice", "box without area"]
    assert split.examples[0].boxes_xyxy.tolist() == [[4, 5, 14, 15]]


def test_a_file_that_is_listed_twice_is_one_picture_with_the_boxes_of_both(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": "1.jpg", "width": "40", "height": "30"} for n in (1, 2)]
    files = coco_set([BOX, {"bbox": ["20", "5", "9", "9.5"], "image_id": 2}], images=images)
    split, found = load("coco", tmp_path, files)
    assert kinds(found) == ["picture listed twice"] and split.examples[0].boxes_xyxy[1].tolist() == [20, 5, 29, 14.5]


def test_a_category_that_is_only_a_parent_is_left_out(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "vehicles", "supercategory": "none"},
        {"id": 1, "name": "car", "supercategory": "vehicles"},
        {"id": 2, "name": "truck", "supercategory": "vehicles"},
    ]
    split, found = load("coco", tmp_path, coco_set([BOX], categories=categories))
    assert split.classes == ("car", "truck") and kinds(found) == ["category without use"]


def test_polygons_become_boxes_where_boxes_are_wanted(tmp_path: Path) -> None:
    split, _ = load("coco", tmp_path / "coco", coco_set([{"segmentation": [[4, 5, 9, 5, 9, 20], [2, 6, 3, 7, 4, 8]]}]))
    assert split.examples[0].boxes_xyxy.tolist() == [[2, 5, 9, 20]]
    files: Files = {
        "classes.txt": "car\n",
        "images/train/1.jpg": picture(90),
        "labels/train/1.txt": "0 .1 .1 .5 .1 .5 .5",
    }
    split, found = load("yolo", tmp_path / "yolo", files)
    np.testing.assert_allclose(split.examples[0].boxes_xyxy, [[4, 3, 20, 15]], atol=1e-5)
    assert kinds(found) == []


def test_a_size_that_a_tool_has_exchanged_or_left_out_is_told_of(tmp_path: Path) -> None:
    files: Files = {f"JPEGImages/{name}.jpg": picture(shade) for name, shade in (("a", 1), ("b", 50), ("c", 99))}
    files |= {"Annotations/a.xml": voc_xml("car", size=(30, 40)), "Annotations/b.xml": voc_xml("car", size=(0, 0))}
    files |= {"Annotations/c.xml": voc_xml("car", size=(300, 400)), "ImageSets/Main/train.txt": "a\nb\nc"}
    split, found = load("voc", tmp_path, files, SKIP)
    assert [note.kind for note in found.notes] == ["width and height exchanged", "no size"]
    assert [str(fault) for fault in found.faults] == [
        "Annotations/c.xml:2: it states 300x400 pixels, the image has 40x30"
    ]
    assert [example.photo.name for example in split.examples] == ["JPEGImages/a.jpg", "JPEGImages/b.jpg"]


@pytest.mark.parametrize(
    ("encoding", "name"), [("GB2312", "汽车"), ("GBK", "汽車"), ("Shift_JIS", "自動車"), ("UTF-8", "ü")]
)
def test_xml_is_read_in_its_encoding_and_with_a_namespace(encoding: str, name: str, tmp_path: Path) -> None:
    xml = voc_xml(name).replace("<annotation>", '<annotation xmlns="urn:voc">')
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{xml}'
    files: Files = {"JPEGImages/a.jpg": picture(1), "ImageSets/Main/train.txt": "a"}
    split, _ = load("voc", tmp_path, files | {"Annotations/a.xml": text.encode(encoding)})
    assert split.classes == (name,) and split.examples[0].boxes_xyxy.tolist() == [[1, 1, 9, 9]]


def test_two_lists_of_classes_must_agree(tmp_path: Path) -> None:
    files: Files = {
        "classes.txt": "car\nbus\n",
        "data.yaml": "names: [bus, car]\ntrain: a\nval: a",
        "a/1.jpg": picture(1),
    }
    _, found = load("yolo", tmp_path, files | {"a/1.txt": "0 .5 .5 .1 .1"}, SKIP)
    assert [fault.kind for fault in found.faults] == ["two lists of classes"]


def test_pictures_without_a_label_file_are_counted_and_alike_names_told_of(tmp_path: Path) -> None:
    files: Files = {"classes.txt": "Car\ncar\n", "images/train/1.jpg": picture(1)}
    _, found = load("yolo", tmp_path / "one", files)
    assert kinds(found) == ["picture without label file", "classes alike"]
    merged = Reading(classes=(("car", ("car", "Car")),))
    split, found = load(
        "yolo", tmp_path / "two", files | {"labels/train/1.txt": "0 .5 .5 .1 .1\n1 .2 .2 .1 .1"}, merged
    )
    assert kinds(found) == [] and split.classes == ("car",) and split.examples[0].labels.tolist() == [0, 0]


def test_a_recipe_chooses_orders_and_merges_classes(tmp_path: Path) -> None:
    source = LabelledSource.model_validate(
        {"path": "p", "title": "t", "classes": ["person", {"vehicle": ["car", "bus"]}]}
    )
    assert source.reading.classes == (("person", ("person",)), ("vehicle", ("car", "bus")))
    assert LabelledSource.model_validate(source.model_dump(mode="json")) == source
    as_mapping = {"path": "p", "title": "t", "classes": {"person": "person", "vehicle": ["car", "bus"]}}
    assert LabelledSource.model_validate(as_mapping) == source
    with pytest.raises(ValidationError, match="'a' is named twice"):
        LabelledSource.model_validate({"path": "p", "title": "t", "classes": ["a", {"a": ["b"]}]})
    lines = "\n".join(f"{number} .5 .5 .{number + 1} .2" for number in range(4))
    files: Files = {
        "classes.txt": "bus\ncar\ndog\nperson\n",
        "images/train/1.jpg": picture(1),
        "labels/train/1.txt": lines,
    }
    split, _ = load("yolo", tmp_path, files, source.reading)
    assert split.classes == ("person", "vehicle") and split.examples[0].labels.tolist() == [1, 1, 0]
    with pytest.raises(LabelError, match=r"data\.classes: 'cat' is not one of bus, car, dog, person"):
        load("yolo", tmp_path, {}, Reading(classes=(("cat", ("cat",)),)))


def mask_set(*ids: tuple[int, ...], names: str = "bg\nfg\n") -> Files:
    """One mask for each tuple of the ids in its first pixels; the last is the validation split."""
    files: Files = {"classes.txt": names, "train.txt": "", "val.txt": f"{len(ids) - 1}.jpg {len(ids) - 1}.png"}
    for number, values in enumerate(ids):
        mask = np.zeros((30, 40), np.uint8)
        mask[0, : len(values)] = values
        files |= {f"{number}.jpg": picture(20 * number), f"{number}.png": png(mask)}
    return files | {"train.txt": "\n".join(f"{n}.jpg {n}.png" for n in range(len(ids) - 1))}


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        (((255, 255), (255,)), ["masks of 0 and 255"] * 2),
        (((1, 1), (255,)), ["masks of 0 and 255 among masks of 0 and 1"]),
        (((1, 1), (255,), (1,)), ["masks of 0 and 255 among masks of 0 and 1"]),
    ],
)
def test_masks_of_0_and_255_are_read_as_classes(
    ids: tuple[tuple[int, ...], ...], kind: list[str], tmp_path: Path
) -> None:
    """Also where only some, or only those of the validation split, are written so."""
    for split, held in (("train", ids[:-1]), ("validation", ids[-1:])):
        loaded, found = load("masks", tmp_path, mask_set(*ids), split=split)
        assert loaded.pixels[1] == sum(len(values) for values in held) and loaded.ignored == 0
        assert kinds(found) == kind


def test_255_is_ignored_where_a_mask_says_so_by_holding_1_too(tmp_path: Path) -> None:
    loaded, found = load("masks", tmp_path, mask_set((1, 255, 255), (255,), (1,)))
    assert loaded.pixels.tolist() == [2396, 1] and loaded.ignored == 3 and kinds(found) == []
    split, _ = load("masks", tmp_path, {}, Reading(white="ignored"))
    assert split.ignored == 3


def test_all_bad_masks_are_listed_at_once_and_may_be_skipped(tmp_path: Path) -> None:
    ids = [(1,)] * 3 + [(7,)] * 2 + [(2, 100, 127)] * 2 + [(1,)]
    split, found = load("masks", tmp_path, mask_set(*ids), SKIP)
    assert [fault.file for fault in found.faults] == ["3.png", "4.png", "5.png", "6.png"]
    assert "it looks smoothed" in str(list(found.faults)[2]) and len(split.examples) == 3
    masks.load_split.cache_clear()
    with pytest.raises(
        LabelError, match=r"3\.png: the mask has class id 7, .* \(and 3 more faults: `convoy-train data`"
    ):
        masks.load_split(str(tmp_path), "train")


def test_a_class_that_validation_does_not_show_is_not_measured(tmp_path: Path) -> None:
    write(tmp_path, mask_set((1, 2), (1,), names="bg\nfg\nrare\n"))
    fields = {"task": "segmentation", "name": "t", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 0.1},
              "long_side": 64, "crop": [32, 32], "data": {"path": str(tmp_path), "title": "t"}}  # fmt: skip
    _, config = resolve_recipe(fields, "test")
    assert isinstance(config, segmentation.Config)

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        return {"class_map": np.full(images.shape[:3], 2, np.uint8)}

    names = [metric.name for metric in segmentation.evaluate(predict, config, "validation")]
    assert "iou_fg" in names and "iou_rare" not in names
