"""Labels as people have them: every form's own customs, two splits together."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from convoy_training.data import coco, masks, voc, yolo
from convoy_training.data.boxes import Split
from convoy_training.data.lists import parse_classes
from convoy_training.data.mask_files import IGNORE
from convoy_training.errors import LabelError
from PIL import Image

from tests.unit.training.test_labels import write

Files = dict[str, str | bytes]


def picture(shade: int, form: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(file, form)
    return file.getvalue()


def coloured() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (128, 0, 0)).save(file, "PNG")
    return file.getvalue()


A, B = picture(90), picture(120)


@pytest.mark.parametrize(
    "text", ["red cell\nplatelet\n\n \n", "0 red cell\n1 platelet", "0\tred cell\r\n1 platelet\r\n"]
)
def test_a_class_is_a_line(text: str) -> None:
    assert parse_classes(text) == ("red cell", "platelet")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\n\nb\n", "classes.txt:2: the line is blank"),
        ("a\nb\na\n", "classes.txt:3: class 'a' is named twice"),
        ("0 a\n1 a\n", "classes.txt:2: class 'a' is named twice"),
        ("1 a\n2 b\n", "classes.txt:1: the id is 1, not 0"),
        (" \n", "classes.txt: it names no classes"),
    ],
)
def test_a_wrong_list_of_classes_is_refused(text: str, reason: str) -> None:
    with pytest.raises(LabelError) as caught:
        parse_classes(text)
    assert reason in str(caught.value)


def coco_files(categories: list[str], label: int, name: str, **image: object) -> str:
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": name, **image}],
            "categories": [{"id": number, "name": category} for number, category in enumerate(categories, 5)],
            "annotations": [{"id": 9, "image_id": 1, "category_id": label, "bbox": [1, 2, 3, 4]}],
        }
    )


def load_coco(root: Path, val: str, train: str = coco_files(["RBC", "WBC"], 6, "1.jpg")) -> Split:
    files: Files = {"annotations/train.json": train, "annotations/val.json": val}
    return coco.load_split(write(root, {**files, "train/1.jpg": A, "val/1.jpg": B}), "validation")


@pytest.mark.parametrize("categories", [["WBC", "RBC"], ["WBC"]])
def test_coco_numbers_every_split_by_the_names_of_the_training_split(categories: list[str], tmp_path: Path) -> None:
    split = load_coco(tmp_path, coco_files(categories, 5, "1.jpg", width=40, height=30))
    assert split.classes == ("RBC", "WBC") and split.examples[0].labels.tolist() == [1]
    assert abs(int(split.examples[0].decode().image_rgb[0, 0, 0]) - 120) < 3  # val/1.jpg, not train/1.jpg


def test_coco_is_read_as_it_is_published(tmp_path: Path) -> None:
    val = json.loads(coco_files(["WBC"], 5, "1.jpg"))
    val["annotations"].append({**val["annotations"][0], "iscrowd": "1"})
    val["annotations"][0]["iscrowd"] = "0"
    files: Files = {
        "annotations/instances_train2017.json": coco_files(["RBC", "WBC"], 6, "1.jpg"),
        "annotations/instances_val2017.json": json.dumps(val),
        "annotations/captions_val2017.json": "{}",
        "train2017/1.jpg": A,
        "val2017/1.jpg": B,
    }
    split = coco.load_split(write(tmp_path, files), "validation")
    assert [example.labels.tolist() for example in split.examples] == [[1]]
    assert split.examples[0].photo.name == "val2017/1.jpg"
    (tmp_path / "annotations/val.json").write_text(json.dumps(val))
    coco.load_split.cache_clear()
    coco.open_archive.cache_clear()
    with pytest.raises(LabelError, match=r"annotations/instances_val2017\.json lists 'val' too: keep one"):
        coco.load_split(str(tmp_path), "validation")


@pytest.mark.parametrize(
    ("val", "reason"),
    [
        (coco_files(["RBC", "cat"], 5, "1.jpg"), "val.json: categories[1] (id 6): annotations/train.json has no"),
        (coco_files(["RBC", "RBC"], 5, "1.jpg"), "val.json: categories[1]: the name 'RBC' occurs twice"),
        (coco_files(["RBC"], 5, "2.jpg"), "val.json: images[0] (id 1): val/2.jpg does not exist, nor in any"),
        (coco_files(["RBC"], 5, "train/1.jpg"), "val.json: train/1.jpg is in the training split too"),
        (
            coco_files(["RBC"], 5, "1.jpg", width=30, height=50),
            "val.json: images[0] (id 1): it states 30x50 pixels, the image has 40x30",
        ),
    ],
)
def test_a_coco_split_that_does_not_fit_is_refused(val: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        load_coco(tmp_path, val)
    assert reason in str(caught.value)


def palette_png(mask: np.ndarray) -> bytes:
    file, image = io.BytesIO(), Image.fromarray(mask)
    image.putpalette([value for number in range(256) for value in (255 - number, number, 7)])
    assert image.mode == "P"
    image.save(file, "PNG")
    return file.getvalue()


def load_mask(root: Path, mask: bytes, **files: str) -> masks.Split:
    known: Files = {
        "classes.txt": "sky\nroad\n",
        "train.txt": "\ufeffa.jpg a.png\n\n",
        "a.jpg": A,
        "a.png": mask,
        **files,
    }
    return masks.load_split(write(root, known), "train")


def test_a_palette_mask_is_its_indices(tmp_path: Path) -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[1, :2] = 1, 255
    split = load_mask(tmp_path, palette_png(mask))
    assert split.examples[0].read_mask()[1, :3].tolist() == [1, IGNORE, 0]


def test_a_mask_of_bits_is_its_bits(tmp_path: Path) -> None:
    file, mask = io.BytesIO(), np.eye(30, 40, dtype=bool)
    Image.fromarray(mask).save(file, "PNG")
    np.testing.assert_array_equal(load_mask(tmp_path, file.getvalue()).examples[0].read_mask(), mask)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (coloured(), r"a\.png: the mask holds colours \(RGB\), not class ids: save it as grey or palette PNG"),
        (picture(1, "PNG")[:60], r"a\.png: the mask cannot be decoded"),
        (b"", r"a\.png: the mask cannot be decoded"),
    ],
)
def test_a_mask_without_ids_is_refused(mask: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=reason):
        load_mask(tmp_path, mask)


@pytest.mark.parametrize("name", ["Unlabelled", "unlabeled", "void", "ignore"])
def test_the_ignored_class_may_have_any_id(name: str, tmp_path: Path) -> None:
    ids = np.zeros((30, 40), np.uint8)
    ids[0, :3] = 0, 1, 2
    split = load_mask(tmp_path, palette_png(ids), **{"classes.txt": f"{name}\nsky\nroad\n"})
    assert split.classes == ("sky", "road") and split.pixels.tolist() == [1, 1] and split.ignored == 1198
    assert split.examples[0].read_mask()[0, :3].tolist() == [IGNORE, 0, 1]


def yolo_files(layout: str) -> Files:
    """A picture and a label of each split, and two pictures without a label."""
    place = "{kind}/{split}/{name}" if layout == "ultralytics" else "{split}/{kind}/{name}"
    files: Files = {}
    for split, content in (("train", A), ("val", B)):
        files[place.format(kind="images", split=split, name="1.jpg")] = content
        files[place.format(kind="labels", split=split, name="1.txt")] = "1 .5 .5 .2 .2\n\n"
        files[place.format(kind="images", split=split, name="2.PNG")] = picture(len(files), "PNG")
    return files


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (
            "ultralytics",
            "path: ../datasets/cells\ntrain: images/train\nval: images/val\nnames:\n  0: RBC\n  1: red cell\n",
        ),
        ("ultralytics", "path:\ntrain: [./images/train/]\nval: val.txt\nnc: 2\nnames: [RBC, red cell]\n"),
        ("roboflow", "train: ../train/images\nval: ../val/images\nnc: 2\nnames: ['RBC', 'red cell']\n"),
    ],
)
def test_yolo_follows_a_data_yaml(layout: str, text: str, tmp_path: Path) -> None:
    files = yolo_files(layout) | {"data.yaml": text, "labels/train/classes.txt": "a tool's own"}
    root = write(tmp_path, {**files, "val.txt": "./images/val/1.jpg\nimages/val/2.PNG\n"})
    for split, shade in (("train", 90), ("validation", 120)):
        loaded = yolo.load_split(root, split)
        assert loaded.classes == ("RBC", "red cell")
        assert [example.labels.tolist() for example in loaded.examples] == [[1], []]
        assert abs(int(loaded.examples[0].decode().image_rgb[0, 0, 0]) - shade) < 3


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"data.yaml": "names: ["}, "data.yaml:1: this is not YAML"),
        ({"data.yaml": "names"}, "data.yaml: it has no fields"),
        ({"data.yaml": "train: a\nnames: {1: a}"}, "data.yaml:2: 'names' is neither a list of classes nor"),
        ({"data.yaml": "names: [yes, 'no']"}, "data.yaml:1: names: True is not text"),
        ({"data.yaml": "names: [a, a]"}, "data.yaml:1: class 'a' is named twice"),
        ({"data.yaml": "names: [a, b]\nnc: 3"}, "data.yaml:2: nc is 3, but there are 2 names"),
        ({"data.yaml": "names: [a, b]"}, "data.yaml: 'val' is not the path of a folder"),
        ({"data.yaml": "names: [a, b]\nval: /x/y"}, "data.yaml:2: val: there are no images in /x/y"),
        (
            {"data.yaml": "names: [a, b]\ntrain: images/train\nval: images"},
            "data.yaml:3: images/train/1.jpg is in the training split too",
        ),
        ({"labels/val/3.txt": ""}, "labels/val/3.txt: there is no image with this name: add it, or remove this file"),
        ({"labels/val/1.txt": "0 .5 .5 .2\n"}, "labels/val/1.txt:1: expected 'class x y width height'"),
    ],
)
def test_a_wrong_yolo_layout_is_refused(files: Files, reason: str, tmp_path: Path) -> None:
    classes: Files = {} if "data.yaml" in files else {"classes.txt": "a\nb\n"}
    with pytest.raises(LabelError) as caught:
        yolo.load_split(write(tmp_path, yolo_files("ultralytics") | classes | files), "validation")
    assert str(caught.value).startswith(reason)


def voc_xml(name: str, filename: str = "", size: tuple[int, int] = (40, 30), extra: str = "") -> str:
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    stated = f"<size>\n<width>{size[0]}</width><height>{size[1]}</height></size>"
    return (
        f"<annotation><filename>{filename}</filename>\n{stated}\n"
        f"<object><name>{name}</name>{extra}{box}</object></annotation>"
    )


VOC: Files = {
    "ImageSets/Main/train.txt": "a.1\nb\n\n",
    "ImageSets/Main/val.txt": "c\n\n",
    "JPEGImages/a.1.JPG": A,
    "JPEGImages/photo 7.jpeg": B,
    "JPEGImages/c.png": picture(30, "PNG"),
    "Annotations/a.1.xml": voc_xml("WBC", "old.jpg", extra="<difficult>1</difficult>"),
    "Annotations/b.xml": voc_xml("RBC", "photo 7.jpeg"),
    "Annotations/c.xml": voc_xml("WBC"),
}


def test_voc_as_published_needs_no_list_of_classes(tmp_path: Path) -> None:
    root = write(tmp_path, VOC)
    train, validation = voc.load_split(root, "train"), voc.load_split(root, "validation")
    assert train.classes == validation.classes == ("RBC", "WBC")
    assert [example.labels.tolist() for example in train.examples] == [[1], [0]]
    assert validation.examples[0].labels.tolist() == [1] and validation.examples[0].decode().image_rgb[0, 0, 0] == 30


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"Annotations/c.xml": voc_xml("cat")}, "Annotations/c.xml:4: class 'cat' is not one of RBC, WBC"),
        ({"Annotations/a.1.xml": voc_xml(" ")}, "Annotations/a.1.xml:4: the object has no name"),
        (
            {"Annotations/c.xml": voc_xml("RBC", size=(30, 50))},
            "Annotations/c.xml:2: it states 30x50 pixels, the image has 40x30",
        ),
        (
            {"Annotations/d.xml": voc_xml("RBC"), "ImageSets/Main/val.txt": "c\nd"},
            "ImageSets/Main/val.txt:2: JPEGImages/d",
        ),
        ({"ImageSets/Main/val.txt": "c\nb\n"}, "ImageSets/Main/val.txt:2: JPEGImages/photo 7.jpeg is in the training"),
    ],
)
def test_wrong_voc_is_refused(files: Files, reason: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        voc.load_split(write(tmp_path, VOC | files), "validation")
    assert str(caught.value).startswith(reason)


def test_a_picture_under_two_names_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = palette_png(np.zeros((30, 40), np.uint8))
    val: Files = {"val.txt": "b.jpg a.png\nc.jpg a.png\n", "b.jpg": B, "c.jpg": A}
    load_mask(tmp_path, mask, **val)
    assert capsys.readouterr().err == ""
    masks.load_split(str(tmp_path), "validation")
    assert capsys.readouterr().err == (
        "warning: the same picture in both splits: c.jpg: it is the training picture a.jpg, byte for byte\n"
    )


def test_a_picture_of_both_lists_is_refused(tmp_path: Path) -> None:
    load_mask(
        tmp_path, palette_png(np.zeros((30, 40), np.uint8)), **{"val.txt": "b.jpg a.png\na.jpg a.png\n", "b.jpg": B}
    )
    with pytest.raises(LabelError, match=r"val\.txt:2: a\.jpg is in the training split too: take it out of one"):
        masks.load_split(str(tmp_path), "validation")
