"""Your own faces, laid out as WIDER FACE or COCO JSON: read, refused, trained on, served."""

import asyncio
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from convoy.v1 import common_pb2, faces_pb2, faces_pb2_grpc
from convoy_training.cli import app
from convoy_training.data import own_faces
from convoy_training.data.face_lists import parse_coco, parse_retinaface, parse_wider
from convoy_training.errors import LabelError, TrainingError
from convoy_training.recipe_file import resolve_recipe
from typer.testing import CliRunner

from tests.serving import running

WIDTH, HEIGHT = 96, 64
OFFICIAL = "wider_face_split/wider_face_{}_bbx_gt.txt"
UNKNOWN = " ".join(["-1.0"] * 15)
POINTS = [(28, 24, 0), (36, 24, 0), (32, 30, 1), (28, 36, 0), (36, 36, 0)]
KNOWN = " ".join(f"{x} {y} {hidden}.0" for x, y, hidden in POINTS)


def encode(image: np.ndarray, extension: str = ".jpg") -> bytes:
    return cv2.imencode(extension, image)[1].tobytes()


JPEG = encode(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
PNG = encode(np.zeros((HEIGHT, WIDTH, 3), np.uint8), ".png")
KEYPOINTS = [value for x, y, _ in POINTS for value in (x, y, 2)]
COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "categories": [{"id": 1, "name": "face"}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [20, 10, 24, 32], "keypoints": KEYPOINTS}],
}
WIDER: dict[str, str | bytes] = {
    **{OFFICIAL.format(split): "0--Parade/a.jpg\n1\n20 10 24 32 0 0 0 0 0 0 \n" for split in ("train", "val")},
    **{f"WIDER_{split}/images/0--Parade/a.jpg": JPEG for split in ("train", "val")},
}


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder


def test_the_official_text_with_its_oddities() -> None:
    text = (
        "0--Parade/a b.jpg\r\n3\r\n20 10 24 32 0 0 0 0 0 0 \r\n1 2 3 4 2 0 0 1 0 0\r\n50 50 0 9 0 0 0 0 0 0\r\n"
        "0--Parade/none.jpg\n0\n0 0 0 0 0 0 0 0 0 0\nbare.jpg\n0\nlast.jpg\n1\n1 1 5 5 0 0 0 0 0 0"
    )
    odd, none, bare, last = parse_wider(text, "list")
    assert (odd.name, odd.line, none.name, bare.name) == ("0--Parade/a b.jpg", 1, "0--Parade/none.jpg", "bare.jpg")
    assert [(face.line, face.box_xywh, face.ignored) for face in odd.faces] == [
        (3, (20, 10, 24, 32), False),
        (4, (1, 2, 3, 4), True),
    ]
    assert [len(listed.faces) for listed in (none, bare, last)] == [0, 0, 1]


def test_retinaface_lists_with_and_without_landmarks() -> None:
    text = f"# a.jpg\n20 10 24 32 {KNOWN} 0.82\n1 2 3 4 {UNKNOWN} 0.5\n# empty.jpg\n# val.jpg\n345 211 4 4\n1 2 0 4\n"
    seen, empty, boxes = parse_retinaface(text, "list")
    np.testing.assert_array_equal(seen.faces[0].landmarks, np.array(POINTS)[:, :2])
    assert np.isnan(seen.faces[1].landmarks).all() and empty.faces == []
    assert [face.box_xywh for face in boxes.faces] == [(345, 211, 4, 4)] and np.isnan(boxes.faces[0].landmarks).all()


def test_coco_keypoints_with_crowds_and_other_categories() -> None:
    face = COCO["annotations"][0]
    document = {
        **COCO,
        "categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "dog"}],
        "annotations": [face, {**face, "iscrowd": 1, "keypoints": [0] * 15}, {**face, "category_id": 2}],
    }
    (listed,) = parse_coco(json.dumps(document), "list")
    assert [face.ignored for face in listed.faces] == [False, True]
    np.testing.assert_array_equal(listed.faces[0].landmarks, np.array(POINTS)[:, :2])
    assert np.isnan(listed.faces[1].landmarks).all()


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("wider", WIDER),
        ("wider", {"wider_face_train_bbx_gt.txt": WIDER[OFFICIAL.format("train")], "images/0--Parade/a.jpg": JPEG}),
        ("wider", {"train/label.txt": f"# 0/a.jpg\n20 10 24 32 {KNOWN} 1.0", "train/images/0/a.jpg": JPEG}),
        ("wider", {"train/label.txt": f"# a.jpg\n20 10 24 32 {KNOWN} 1.0", "train/a.jpg": JPEG}),
        ("wider", {"train/label.txt": "# a.png\n20 10 24 32", "val/images/a.png": PNG}),
        ("coco", {"annotations/train.json": json.dumps(COCO), "train/a.jpg": JPEG}),
    ],
)  # fmt: skip
def test_pictures_lie_where_people_have_them(form: own_faces.Format, files: dict[str, Any], tmp_path: Path) -> None:
    (picture,) = own_faces.load_split(str(write(tmp_path, files)), form, "train")
    assert picture.decode().shape == (HEIGHT, WIDTH, 3)
    assert picture.boxes_xyxy.tolist() == [[20, 10, 44, 42]] and not picture.ignored.any()


def test_landmarks_go_first_and_a_tar_is_a_folder(tmp_path: Path) -> None:
    files = {**WIDER, "train/label.txt": f"# 0--Parade/a.jpg\n20 10 24 32 {KNOWN} 1.0"}
    with tarfile.open(tmp_path / "faces.tar", "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"faces/{name}")
            encoded = data if isinstance(data, bytes) else data.encode()
            info.size = len(encoded)
            archive.addfile(info, io.BytesIO(encoded))
    (trained,) = own_faces.load_split(str(tmp_path / "faces.tar"), "wider", "train")
    (held_out,) = own_faces.load_split(str(tmp_path / "faces.tar"), "wider", "validation")
    assert trained.whole.tolist() == [True] and held_out.whole.tolist() == [False]


def test_boxes_end_at_the_border_and_what_is_invalid_may_lie_outside(tmp_path: Path) -> None:
    faces = "4\n-4 10 24 32 0 0 0 0 0 0\n90 10 10 10 0 0 0 1 0 0\n500 9 9 9 0 0 0 1 0 0\n5 5 -2 3 0 0 0 1 0 0\n"
    folder = write(tmp_path, {**WIDER, OFFICIAL.format("train"): f"0--Parade/a.jpg\n{faces}"})
    (picture,) = own_faces.load_split(str(folder), "wider", "train")
    assert picture.boxes_xyxy.tolist() == [[0, 10, 20, 42], [90, 10, 96, 20]]
    assert picture.ignored.tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a.jpg\n2\n20 10 24 32 0 0 0 0 0 0\n", ":1: a.jpg has 2 faces, but the list ends after 1"),
        ("a.jpg\n2\n20 10 24 32 0 0 0 0 0 0\nb.jpg\n", ":4: expected a face as ten numbers .* found 'b.jpg'"),
        ("a.jpg\n1\n2 1 4 3 0 0 0 0 0 0\n2 1 4 3 0 0 0 0 0 0\n", ":4: expected the name of a picture.* count"),
        ("a.jpg\nb.jpg\n", ":1: the line after a.jpg must hold the number"),
        ("a.jpg\n", ":1: the line after a.jpg must hold the number"),
        ("a.jpg\n1\n20 10 24 32\n", ":3: expected a face as ten numbers"),
        ("a.jpg\n1\n20 nan 24 32 0 0 0 0 0 0\n", ":3: expected a face as ten numbers"),
        ("a.jpg\n1\n-20 10 24 32 0 0 0 0 0 0\n", ":3: images/a.jpg: the box -20,10,4,42 lies outside .* 96x64"),
        ("a.jpg\n1\n20 60 24 32 0 0 0 0 0 0\n", ":3: images/a.jpg: the box 20,60,44,92 lies outside"),
        ("a.jpg\n1\n20 10 -4 32 0 0 0 0 0 0\n", ":3: images/a.jpg: the box 20,10,16,42 has no area"),
        ("a.jpg\n0\nlost.jpg\n0\n", ":3: the picture lost.jpg does not exist; .*WIDER_train/images/lost.jpg"),
        ("a.jpg\n0\na.jpg\n0\n", ":3: a.jpg is listed twice"),
        ("a.jpg\n0\ncut.jpg\n0\n", "^images/cut.jpg: the image cannot be decoded"),
        ("a.jpg\n0\ntext.png\n0\n", "^images/text.png: the image cannot be decoded"),
        ("a.jpg\n1\n20 10 24 32 0 0 0 1 0 0\n", ": there is no face in it"),
        ("", ": there is no face in it"),
        (b"a\n\xff\n", ":2: this is not text in UTF-8"),
    ],
)
def test_a_wrong_line_of_the_official_text(text: str | bytes, reason: str, tmp_path: Path) -> None:
    noise = encode(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    pictures = {"images/a.jpg": JPEG, "images/cut.jpg": noise[:-500], "images/text.png": b"none"}
    write(tmp_path, {OFFICIAL.format("train"): text, **pictures})
    with pytest.raises(LabelError, match=reason) as refused:
        own_faces.load_split(str(tmp_path), "wider", "train")
    assert OFFICIAL.format("train") in str(refused.value) or reason.startswith("^")


@pytest.mark.parametrize(
    ("form", "text", "reason"),
    [
        ("wider", "20 10 24 32\n", "train/label.txt:1: a face stands before"),
        ("wider", "# a.jpg\n20 10 24 x\n", "train/label.txt:2: expected numbers, found '20 10 24 x'"),
        ("wider", f"# a.jpg\n20 10 24 32 {KNOWN[:-9]} 1.0\n", "train/label.txt:2: expected .* found 17"),
        ("wider", f"# a.jpg\n90 10 24 32 {KNOWN} 1.0\n", "train/label.txt:2: .* lies outside"),
        ("coco", {"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}, "none of the categories a, b is"),
        ("coco", {"annotations": [{**COCO["annotations"][0], "image_id": 7}]}, r"annotations\[0\]: image_id 7 is not"),
        ("coco", {"annotations": [{**COCO["annotations"][0], "keypoints": [1, 2, 2] * 17}]}, "are not five points"),
        ("coco", {"annotations": [{**COCO["annotations"][0], "bbox": [1, 1, 0, 5]}]}, "1,1,1,6 has no area"),
        ("coco", {"annotations": [{**COCO["annotations"][0], "bbox": [1, float("nan"), 1, 5]}]}, "has no area"),
    ],
)
def test_a_wrong_face_of_the_other_forms(form: own_faces.Format, text: Any, reason: str, tmp_path: Path) -> None:
    name = {"wider": "train/label.txt", "coco": "annotations/train.json"}[form]
    write(tmp_path, {name: text if isinstance(text, str) else json.dumps({**COCO, **text}), "images/a.jpg": JPEG})
    with pytest.raises(LabelError, match=reason):
        own_faces.load_split(str(tmp_path), form, "train")


def resolve(folder: Path, task: str = "face_detection", **changes: Any) -> tuple[Any, Any]:
    source = {"path": str(folder), "title": "Drawings", **changes.pop("data", {})}
    fields = {"name": "drawn", "task": task, "licence": "ours", "epochs": 2, "batch_size": 4, "data": source,
              "optimizer": {"name": "adamw", "lr": 0.003}, **changes}  # fmt: skip
    return resolve_recipe(fields, "test")


def test_faces_without_landmarks_must_be_meant(tmp_path: Path) -> None:
    folder = write(tmp_path, WIDER)
    task, config = resolve(folder)
    with pytest.raises(LabelError, match=r"no face of the training split has five landmarks.*landmark_weight=0"):
        task.build_data(config)
    task, config = resolve(folder, landmark_weight=0)
    assert len(next(iter(task.build_data(config).train(0)))) == 4
    assert task.describe(config).data == ("Drawings, 1 training pictures, boxes alone: its landmarks mean nothing",)
    task, config = resolve(folder, "face_landmarks")
    with pytest.raises(LabelError, match="no face of the train split is large enough and has five landmarks"):
        task.build_data(config)


def test_a_missing_validation_list_is_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path, {"train/label.txt": f"# a.jpg\n20 10 24 32 {KNOWN} 1.0", "train/a.jpg": JPEG})
    task, config = resolve(folder)
    with pytest.raises(LabelError, match=r"no list of the validation split: val/label.txt or .*move some"):
        task.example_images(config)


@pytest.mark.data
def test_close_ups_may_be_shown_beside_faces_of_ones_own(tmp_path: Path) -> None:
    task, config = resolve(write(tmp_path, WIDER), data={"close_ups": True}, close_up_share=1.0)
    data = task.build_data(config)
    _, boxes, landmarks, _ = next(iter(data.train(0)))
    assert boxes.any() and landmarks.isfinite().any()
    assert len(task.describe(config).data) == 3
    assert data.digest != task.build_data(resolve(tmp_path, landmark_weight=0)[1]).digest


def draw_photograph(random: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, ...]], list[np.ndarray]]:
    """Two discs with eyes, nose and mouth on noise; their boxes x, y, w, h and their landmarks."""
    image = cv2.resize(random.integers(0, 90, (12, 16, 3), np.uint8), (160, 120))
    boxes, landmarks = [], []
    for left in (10, 90):
        radius = int(random.integers(16, 26))
        centre = np.array([left + 30 + random.integers(-4, 5), 60 + random.integers(-20, 21)])
        points = centre + radius * np.array([[-0.4, -0.3], [0.4, -0.3], [0, 0.1], [-0.3, 0.5], [0.3, 0.5]])
        cv2.circle(image, centre.tolist(), radius, (150, 190, 230), -1)
        for x, y in points.astype(int).tolist():
            cv2.circle(image, (x, y), 3, (20, 20, 60), -1)
        boxes.append((*(centre - radius).tolist(), 2 * radius, 2 * radius))
        landmarks.append(points)
    return image, boxes, landmarks


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen drawings to train on, with landmarks as RetinaFace lists them; four to judge by, in the official text."""
    folder, random = tmp_path_factory.mktemp("drawings"), np.random.default_rng(0)
    label, official = "", ""
    for number in range(20):
        image, boxes, landmarks = draw_photograph(random)
        split, name = ("val" if number >= 16 else "train"), f"0--Drawn/{number}.jpg"
        write(folder, {f"WIDER_{split}/images/{name}": encode(image)})
        if split == "val":
            official += f"{name}\n2\n" + "".join(f"{' '.join(map(str, box))} 0 0 0 0 0 0 \n" for box in boxes)
            continue
        label += f"# {name}\n"
        for box, points in zip(boxes, landmarks, strict=True):
            label += f"{' '.join(map(str, box))} {' '.join(f'{x:.1f} {y:.1f} 0.0' for x, y in points)} 0.9\n"
    return write(folder, {"train/label.txt": label, OFFICIAL.format("val"): official})


@pytest.mark.slow
def test_a_folder_in_the_form_of_wider_face_becomes_a_served_detector(
    drawings: Path, root: Path, tmp_path: Path
) -> None:
    _, config = resolve(drawings, name="face-detector-nano", epochs=6, batch_size=8, size_px=128, samples_per_epoch=160,
                        face_px=[24, 64], degradation=0, architecture={"widths": [8, 16, 16, 16, 16], "neck": 16},
                        optimizer={"name": "adamw", "lr": 0.005})  # fmt: skip
    file, run, models = tmp_path / "drawn.yaml", tmp_path / "run", tmp_path / "models"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    for words in (["fit", str(file), "--run", str(run)], ["export", str(run), "--models", str(models)]):
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    manifest = json.loads((models / "face-detector-nano/1/manifest.json").read_text())
    assert manifest["training"]["data"] == ["Drawings, 16 training pictures"]
    assert {metric["dataset"] for metric in manifest["metrics"]} == {"Drawings"}
    assert [metric["name"] for metric in manifest["metrics"]] == ["ap50_32px", "ap50_16px", "ap50_8px"]
    assert manifest["metrics"][0]["value"] > 0.5
    # The service wants an embedder too.
    shutil.copytree(root / "exported_models/face-embedder", models / "face-embedder")
    picture = (drawings / "WIDER_val/images/0--Drawn/16.jpg").read_bytes()
    boxes = asyncio.run(detect(models, picture))
    assert len(boxes) >= 1 and all(0 <= box.x_min < box.x_max <= 160 for box in boxes)


async def detect(models: Path, picture: bytes) -> list[Any]:
    """What the service finds in one picture, where little is asked for."""
    async with running("faces", models) as faces:
        stub = faces_pb2_grpc.FaceServiceStub(faces.channel)
        options = faces_pb2.FaceDetectionOptions(detection_threshold=0.1)
        images = [common_pb2.Image(encoded=picture)]
        answer = await stub.DetectFaces(faces_pb2.DetectFacesRequest(images=images, options=options))
        return [face.box for face in answer.results[0].faces]


def test_landmarks_of_ones_own_faces_are_learnt(drawings: Path) -> None:
    task, config = resolve(drawings, "face_landmarks", samples_per_epoch=32, batch_size=32, validation_windows=20)
    images, face, landmarks = next(iter(task.build_data(config).train(0)))
    assert images.shape == (32, 64, 64, 3) and 0 < face.sum() < 32
    assert landmarks[face].isfinite().all() and landmarks[~face].isnan().all()
    with pytest.raises(TrainingError, match="no face of the validation split is large enough and has five landmarks"):
        task.example_images(config)
