"""What is wrong with a data set, `fit` says in one sentence before the first step, and writes nothing."""

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from convoy_training.cli import main
from convoy_training.data import cifar, wider

JPEG = cv2.imencode(".jpg", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
MASK = cv2.imencode(".png", np.zeros((64, 64), np.uint8))[1].tobytes()
NOT_TEXT = b"A\n\xff\xfe"
FACE = {"image_id": 1, "bbox": [1, 1, 20, 20], "keypoints": [1, 2, 1] * 5, "ignore": 0, "iscrowd": 0}
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "categories": [{"id": 1, "name": "A"}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}],
}
OBJECT = "<object><name>A</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
FORMS: dict[str, dict[str, str | bytes]] = {
    "voc": {
        "classes.txt": "A\n",
        **{f"ImageSets/Main/{split}.txt": "a\n" for split in ("train", "val")},
        "JPEGImages/a.jpg": JPEG,
        "Annotations/a.xml": f"<annotation>{OBJECT}</annotation>",
    },
    "coco": {**{f"annotations/{split}.json": json.dumps(COCO) for split in ("train", "val")}, "images/a.jpg": JPEG},
    "yolo": {"classes.txt": "A\n", "images/train/a.jpg": JPEG, "labels/train/a.txt": "0 .5 .5 .2 .2\n"},
    "masks": {
        "classes.txt": "A\n",
        "train.txt": "a.jpg m.png\n",
        "val.txt": "a.jpg m.png\n",
        "a.jpg": JPEG,
        "m.png": MASK,
    },
    "image_folder": {f"{split}/{name}/1.jpg": JPEG for split in ("train", "val") for name in "ab"},
}
TASKS = {"masks": "segmentation", "image_folder": "classification"}


def refuse(recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What `convoy-train fit` says of a recipe in the working folder."""
    fields = {"name": "x", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 0.1}, **recipe}
    Path("r.yaml").write_text(yaml.safe_dump(fields))
    monkeypatch.setattr("sys.argv", ["convoy-train", "fit", "r.yaml", "--run", "run"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1 and not Path("run").exists()
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("error: ")
    return said


@pytest.mark.parametrize(
    ("form", "file", "content", "reason"),
    [
        ("voc", "ImageSets/Main/train.txt", "", "ImageSets/Main/train.txt: it lists no images"),
        ("voc", "ImageSets/Main/train.txt", NOT_TEXT, "train.txt:2: this is not text in UTF-8"),
        ("voc", "ImageSets/Main/val.txt", "b\n", "val.txt:1: JPEGImages/b.jpg does not exist"),
        ("coco", "annotations/train.json", NOT_TEXT, "train.json:2: this is not text in UTF-8"),
        ("coco", "annotations/train.json", {"images": []}, "train.json: it lists no images"),
        ("coco", "annotations/train.json", {"images": [3]}, r"images\[0\] has no number or text 'id'"),
        ("coco", "annotations/train.json", {"categories": [{"id": 1}]}, r"categories\[0\] .*'name'"),
        ("coco", "annotations/train.json", {"annotations": ["x"]}, r"annotations\[0\] .*'image_id'"),
        ("coco", "annotations/train.json", {"annotations": [{"image_id": [1]}]}, r"annotations\[0\] .*'image_id'"),
        ("coco", "annotations/val.json", "{", "val.json:1: this is not JSON"),
        ("yolo", "labels/train/a.txt", NOT_TEXT, "labels/train/a.txt:2: this is not text in UTF-8"),
        ("yolo", "images/other.txt", "", "images/val/: there are no images"),
        ("masks", "train.txt", "", "train.txt: it lists no images"),
        ("masks", "classes.txt", NOT_TEXT, "classes.txt:2: this is not text in UTF-8"),
        ("masks", "val.txt", "a.jpg\n", "val.txt:1: expected 'image mask'"),
        ("image_folder", "val/b/1.jpg", b"no picture", "val/b/1.jpg: .*not a JPEG"),
    ],
)
def test_a_wrong_file_is_named(
    form: str,
    file: str,
    content: object,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    text = json.dumps({**COCO, **content}) if isinstance(content, dict) else content
    for name, data in {**FORMS[form], file: text}.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(data if isinstance(data, bytes) else str(data).encode())
    source = {"format": form, "path": str(tmp_path / "data"), "title": "t"}
    with_size = {"input_size": 32, "architecture": "cifar-resnet20"} if form == "image_folder" else {}
    recipe = {"task": TASKS.get(form, "detection"), "data": source, **with_size}
    assert re.search(reason, refuse(recipe, monkeypatch, capsys))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, "missing, or not JSON"),
        ({"keypoints": [1, 2, 3]}, "1.jpg or one of its faces cannot be read"),
        ({"bbox": [1, 1, 500, 5]}, r"1.jpg\): the box 1,1,501,6 leaves the image 64x64"),
        ({"bbox": [1, 1, 0, 5]}, r"1.jpg\): the box 1,1,1,6 has no area"),
        ({"bbox": None}, "1.jpg or one of its faces cannot be read"),
    ],
)
def test_a_wrong_face_is_named(
    changes: dict[str, object] | None,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVOY_DATA", str(tmp_path))
    wider.load_split.cache_clear()
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(3)]
    index = json.dumps({"images": images, "annotations": [{**FACE, **changes}]}) if changes else "{"
    files = {"annotations/train.json": index.encode(), **{f"images/{number}.jpg": JPEG for number in range(3)}}
    with tarfile.open(tmp_path / wider.ARCHIVE, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"wider/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    assert re.search(reason, refuse({"task": "face_detection"}, monkeypatch, capsys))


def test_an_archive_that_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVOY_DATA", str(tmp_path))
    cifar.load_split.cache_clear()
    file = tmp_path / cifar.ARCHIVE
    file.write_bytes(b"no archive")
    assert f"{file} is not a whole .npz file" in refuse({"task": "classification"}, monkeypatch, capsys)
    np.savez(file, data=np.zeros(3), labels=np.zeros(1), classes=np.zeros(1))
    assert f"{file} has no array 'offsets'" in refuse({"task": "classification"}, monkeypatch, capsys)
    source = {"format": "voc", "path": str(file), "title": "t"}
    said = refuse({"task": "detection", "data": source}, monkeypatch, capsys)
    assert f"{file} is neither a folder nor a whole uncompressed tar" in said
