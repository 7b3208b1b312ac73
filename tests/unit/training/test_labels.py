"""Labels are read from the forms that people have, and wrong ones are refused with file, line and reason."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from convoy_training.data import coco, masks, voc, yolo
from convoy_training.data.archive import Archive, open_archive
from convoy_training.data.boxes import Row, Split, check_box
from convoy_training.data.mask_files import IGNORE
from convoy_training.errors import LabelError

CLASSES = ("RBC", "WBC")
JPEG = cv2.imencode(".jpg", np.full((30, 40, 3), 90, np.uint8))[1].tobytes()


def annotation(name: str = "RBC", box: tuple[object, ...] = (1, 1, 10, 20)) -> bytes:
    sides = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=False))
    good = "<name>WBC</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>7</xmax><ymax>8</ymax></bndbox>"
    return (
        f"<annotation>\n<object>\n{good}</object>\n"
        f"<object>\n<name>{name}</name><bndbox>{sides}</bndbox></object>\n</annotation>"
    ).encode()


def write(root: Path, files: dict[str, str | bytes]) -> str:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(root)


def write_voc(root: Path, xml: bytes) -> Split:
    files = {"classes.txt": "RBC\nWBC\n", "ImageSets/Main/train.txt": "a\n"}
    return voc.load_split(write(root, {**files, "JPEGImages/a.jpg": JPEG, "Annotations/a.xml": xml}), "train")


def write_coco(root: Path, **changes: object) -> Split:
    box = {"image_id": 7, "category_id": 3, "bbox": [4, 5, 3, 3]} | changes
    document = {
        "images": [{"id": 7, "file_name": "a.jpg"}],
        "categories": [{"id": 3, "name": "WBC"}, {"id": 1, "name": "RBC"}],
        "annotations": [box, {**box, "iscrowd": 1}],
    }
    return coco.load_split(write(root, {"annotations/train.json": json.dumps(document), "train/a.jpg": JPEG}), "train")


def write_yolo(root: Path, text: str) -> Split:
    files = {"classes.txt": "RBC\nWBC\n", "images/train/a.jpg": JPEG, "images/train/b.jpg": JPEG}
    return yolo.load_split(write(root, {**files, "labels/train/a.txt": text}), "train")


def test_the_three_forms_say_the_same(tmp_path: Path) -> None:
    as_voc = write_voc(tmp_path / "voc", annotation())
    assert as_voc.examples[0].boxes_xyxy.tolist() == [[4, 5, 7, 8], [0, 0, 10, 20]]
    assert as_voc.examples[0].labels.tolist() == [1, 0] and as_voc.classes == CLASSES
    as_coco = write_coco(tmp_path / "coco")
    assert as_coco.examples[0].boxes_xyxy.tolist() == [[4, 5, 7, 8]] and as_coco.classes == ("WBC", "RBC")
    as_yolo = write_yolo(tmp_path / "yolo", f"1 {5.5 / 40} {6.5 / 30} {3 / 40} {3 / 30}\n")
    np.testing.assert_allclose(as_yolo.examples[0].boxes_xyxy, [[4, 5, 7, 8]], atol=1e-5)
    assert as_yolo.examples[1].boxes_xyxy.shape == (0, 4) and as_yolo.examples[0].decode().image_rgb.shape == (
        30,
        40,
        3,
    )


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (annotation(name="cat"), "Annotations/a.xml:4: class 'cat' is not one of RBC, WBC"),
        (annotation(box=(5, 5, 43, 9)), "Annotations/a.xml:4: the box 4,4,43,9 leaves the image 40x30"),
        (annotation(box=(5, "nan", 7, 9)), "has no area"),
        (annotation(box=(5, "x", 7, 9)), "a.xml:4: bndbox/ymin is missing or not a number"),
        (annotation(box=(5, 5, 7)), "bndbox/ymax is missing or not a number"),
        (b"<annotation>\n<object>", "Annotations/a.xml:2: this is not XML"),
    ],
)
def test_wrong_voc_is_refused(xml: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        write_voc(tmp_path, xml)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_id": 8}, "annotations/train.json: annotations[0]: image_id 8 is not in the file"),
        ({"category_id": 9}, "annotations[0]: category_id 9 is not in the file"),
        ({"bbox": [1, 2, 3]}, "annotations[0]: bbox is not four numbers"),
        ({"bbox": [30, 5, 20, 3]}, "annotations[0]: the box 30,5,50,8 leaves the image 40x30"),
        ({"bbox": [30, 5, 20, 3], "id": 44}, "(train/a.jpg): annotations[0] (id 44): the box 30,5,50,8 leaves"),
    ],
)
def test_wrong_coco_is_refused(changes: dict[str, object], reason: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        write_coco(tmp_path, **changes)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.1", "labels/train/a.txt:2: expected 'class x y width height', found '0 0.5 0.5 0.1'"),
        ("2 0.5 0.5 0.1 0.1", "labels/train/a.txt:2: class 2 is not one of 0 to 1"),
        ("0 0.9 0.5 0.4 0.1", "labels/train/a.txt:2: the box 28,13.5,44,16.5 leaves the image 40x30"),
    ],
)
def test_wrong_yolo_is_refused(line: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        write_yolo(tmp_path, f"0 0.5 0.5 0.1 0.1\n{line}\n")
    assert reason in str(caught.value)


def test_a_box_may_touch_the_border() -> None:
    check_box(Row(1, "RBC", (0, 0, 40, 30)), "a", CLASSES, (30, 40))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8no", JPEG[:40]])
def test_an_image_that_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    write(tmp_path, {"classes.txt": "RBC\n", "images/train/a.jpg": content})
    with pytest.raises(LabelError, match=r"images/train/a\.jpg: the image cannot be decoded"):
        yolo.load_split(str(tmp_path), "train")


def png(mask: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", mask)[1])


def write_masks(root: Path, mask: np.ndarray, listing: str = "a.jpg a.png\n") -> masks.Split:
    files = {"classes.txt": "0 Sky\n1 Road\n2 Unlabelled\n", "train.txt": listing, "a.jpg": JPEG, "a.png": png(mask)}
    return masks.load_split(write(root, files), "train")


def test_masks_keep_their_ids_and_forget_the_unlabelled(tmp_path: Path) -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[0, :3] = 1, 2, 255
    split = write_masks(tmp_path, mask)
    assert split.classes == ("Sky", "Road")
    assert split.examples[0].read_mask()[0, :4].tolist() == [1, IGNORE, IGNORE, 0]


@pytest.mark.parametrize(
    ("mask", "listing", "reason"),
    [
        (np.zeros((30, 39), np.uint8), "a.jpg a.png", "a.png: the mask is (30, 39), its image (30, 40)"),
        (np.full((30, 40), 3, np.uint8), "a.jpg a.png", "a.png: the mask has class id 3, but classes.txt ends at 2"),
        (np.zeros((30, 40), np.uint8), "a.jpg a.png\na.jpg", "train.txt:2: expected 'image mask', found 'a.jpg'"),
        (np.zeros((30, 40), np.uint8), "a.jpg gone.png", "train.txt:1: gone.png does not exist"),
    ],
)
def test_wrong_masks_are_refused(mask: np.ndarray, listing: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        write_masks(tmp_path, mask, listing)
    assert reason in str(caught.value)


@pytest.mark.parametrize("pack", ["folder", "tar"])
def test_a_dataset_is_the_same_packed_or_not(pack: str, tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_masks(root, np.zeros((30, 40), np.uint8))
    if pack == "tar":
        with tarfile.open(tmp_path / "set.tar", "w") as archive:
            archive.add(root, "set")
        root = tmp_path / "set.tar"
    opened = open_archive(str(root))
    assert set(opened.files) == {"classes.txt", "train.txt", "a.jpg", "a.png"} and len(opened.digest) == 64
    assert opened.find("set/a.jpg", "train.txt", 1) == "a.jpg"


def test_a_folders_digest_is_that_of_its_content(tmp_path: Path) -> None:
    digests: list[str] = []
    changes: list[Callable[[], object]] = [lambda: None, lambda: None, lambda: (tmp_path / "a").write_text("new")]
    (tmp_path / "a").write_text("old")
    for change in changes:
        change()
        open_archive.cache_clear()
        digests.append(open_archive(str(tmp_path)).digest)
    assert digests[0] == digests[1] != digests[2]


def test_what_training_writes_beside_the_data_is_no_data(tmp_path: Path) -> None:
    def read() -> Archive:
        open_archive.cache_clear()
        return open_archive(str(tmp_path))

    write(tmp_path, {"train/a.jpg": JPEG, "data.yaml": "names: [a]", "recipe.yaml": "name: a"})
    before = read()
    assert set(before.files) == {"train/a.jpg", "data.yaml"}
    left = ("runs/a/recipe.yaml", "runs/a/last.ckpt", "exported_models/a/1/recipe.yaml", "exported_models/a/1/x.onnx")
    write(tmp_path, dict.fromkeys((*left, "exported_models/README.md", "train/.x.jpg", "train/Thumbs.db"), b"new"))
    assert read().digest == before.digest
    write(tmp_path, {"train/b.jpg": JPEG})
    assert read().digest != before.digest


def test_links_that_lead_nowhere_or_back_are_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    link = tmp_path / "train" / "a"
    for target, reason in (("gone.jpg", "train/a: the link leads to no file"), ("..", "train/a/: the link leads back")):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        with pytest.raises(LabelError, match=reason):
            open_archive(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("images/train/b.tga", r"images/train/b\.tga: pictures of this kind are not read"),
        (
            "labels/train/a.TXT",
            r"labels/train/a\.TXT: names of label files end in \.txt: rename this file to a\.txt",
        ),
    ],
)
def test_a_yolo_file_that_would_be_left_out_is_named(file: str, reason: str, tmp_path: Path) -> None:
    write(tmp_path, {"classes.txt": "RBC\n", "images/train/a.jpg": JPEG, file: b"0 0.5 0.5 0.1 0.1"})
    with pytest.raises(LabelError, match=reason):
        yolo.load_split(str(tmp_path), "train")


def test_a_missing_label_file_is_named() -> None:
    with pytest.raises(LabelError, match=r"classes\.txt: the file does not exist"):
        Archive({}, "").read_text("classes.txt")
