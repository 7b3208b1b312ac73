"""What is wrong with a data set, `fit` says in one sentence before the first step, and writes nothing."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from convoy_training.cli import main
from convoy_training.data import cifar, identities, source, wider

JPEG = cv2.imencode(".jpg", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
MASK = cv2.imencode(".png", np.zeros((64, 64), np.uint8))[1].tobytes()
NOT_TEXT = b"A\n\xff\xfe"
FACE = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 20, 20], "keypoints": [1, 2, 1] * 5, "ignore": 0, "iscrowd": 0}
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
POINTS = "62 72 98 72 80 90 65 108 95 108"
PEOPLE = {
    **{f"{name}/{name}_{i:04d}.jpg": JPEG for name in ("Ann", "Bob", "Cy") for i in (1, 2)},
    "landmarks.txt": "\n".join(f"{name}/{name}_{i:04d}.jpg {POINTS}" for name in ("Ann", "Bob", "Cy") for i in (1, 2)),
    "people_train.txt": "Cy 2\n\n",
    "people_val.txt": "Ann 2\nBob 2",
}
PAIRS = {
    "lfw": "1 1\nAnn 1 2\nAnn 2 Bob 1",
    "celeba": "1 1\nAnn Ann_0001.jpg Ann_0002.jpg\nAnn Ann_0002.jpg Bob Bob_0001.jpg",
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
        ("voc", "ImageSets/Main/val.txt", "\na\n", "val.txt:2: JPEGImages/a.jpg is in the training split too"),
        ("voc", "ImageSets/Main/val.txt", "b\n", "val.txt:1: Annotations/b.xml does not exist"),
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
        (None, "train.json:1: this is not JSON"),
        ({"keypoints": [1, 2, 3]}, r"annotations\[0\]: keypoints are not five points"),
        ({"bbox": [1, 1, 500, 5]}, "1.jpg: the box 1,1,501,6 lies outside the picture of 64x64"),
        ({"bbox": [1, 1, 0, 5]}, "1.jpg: the box 1,1,1,6 has no area"),
        ({"bbox": None}, r"annotations\[0\]: bbox is not four numbers"),
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
    index = json.dumps({**COCO, "images": images, "annotations": [{**FACE, **changes}]}) if changes else "{"
    files = {"annotations/train.json": index.encode(), **{f"images/{number}.jpg": JPEG for number in range(3)}}
    write_tar(tmp_path / wider.ARCHIVE, {f"wider/{name}": data for name, data in files.items()})
    assert re.search(reason, refuse({"task": "face_detection"}, monkeypatch, capsys))


@pytest.fixture
def unread_people() -> Iterator[None]:
    """No test reads the people of another."""
    cached = (identities.load_faces, identities.load_pairs, identities._read_lowres, source.read_tar)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.mark.usefixtures("unread_people")
@pytest.mark.parametrize(
    ("dataset", "file", "content", "said"),
    [
        ("lfw", "pairs_val.txt", "one\nAnn 1 2", "1: the first line is not two numbers"),
        ("lfw", "pairs_val.txt", "1 1\nAnn 1 2", "1: it announces 2 pairs, but lists 1"),
        ("lfw", "pairs_val.txt", "1 1\nAnn 1\nAnn 2 Bob 1", "2: no such held-out image: Ann 1"),
        ("lfw", "pairs_val.txt", "1 1\nAnn 1 two\nAnn 2 Bob 1", "2: no such held-out image: Ann 1 two"),
        ("lfw", "pairs_val.txt", "1 1\nAnn 1 2\nAnn 2 Cy 1", "3: no such held-out image: Ann 2 Cy 1"),
        ("celeba", "pairs_val.txt", "1 1\nAnn 1.jpg 2.jpg", "2: no such held-out image: Ann 1.jpg 2.jpg"),
        ("lfw", "landmarks.txt", "Ann/Ann_0001.jpg 1 2 3", "1: 3 numbers, not 10"),
        ("lfw", "landmarks.txt", f"Ann/1.jpg {POINTS}\nAnn/2.jpg x{POINTS}", "2: could not convert string to float"),
        ("celeba", "landmarks.txt", f"Ann/1.jpg nan{POINTS[2:]}", "1: a coordinate is not finite"),
    ],
)
def test_a_wrong_line_about_people_is_named(
    dataset: str,
    file: str,
    content: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVOY_DATA", str(tmp_path))
    for name, pairs in PAIRS.items():
        files = PEOPLE | {"pairs_val.txt": pairs} | ({file: content} if name == dataset else {})
        in_archive = {f"{name}/{f}" if f.endswith(".jpg") else f: data for f, data in files.items()}
        write_tar(tmp_path / identities.ARCHIVES[name], in_archive)
    nobody = {"classes": np.array([], "S1"), "names": np.array([], "S1")}
    np.savez(tmp_path / identities.ARCHIVES["celeba_lowres"], data=np.array([]), offsets=np.array([0]), **nobody)
    recipe = {"task": "face_embedding", "architecture": {"dimension": 8, "crop_px": 32, "widths": [4], "depths": []}}
    assert f"{identities.ARCHIVES[dataset]}:{file}:{said}" in refuse(recipe, monkeypatch, capsys)


def write_tar(path: Path, files: dict[str, str | bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def test_an_archive_that_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVOY_DATA", str(tmp_path))
    cifar.load_split.cache_clear()
    file = tmp_path / cifar.ARCHIVE
    file.write_bytes(b"no archive")
    assert f"{cifar.ARCHIVE} is not a whole .npz file" in refuse({"task": "classification"}, monkeypatch, capsys)
    np.savez(file, data=np.zeros(3), labels=np.zeros(1), classes=np.zeros(1))
    assert f"{cifar.ARCHIVE} has no array 'offsets'" in refuse({"task": "classification"}, monkeypatch, capsys)
    source = {"format": "voc", "path": str(file), "title": "t"}
    said = refuse({"task": "detection", "data": source}, monkeypatch, capsys)
    assert "ImageSets/Main/train.txt: the file does not exist" in said
