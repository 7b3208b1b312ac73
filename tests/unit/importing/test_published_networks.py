"""Networks that others published, imported and compared with their own files, read by an independent reader.

What each layout means is worked out in foreign_layouts.py; pixels are prepared here, by NumPy, as each source says.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GRAPH_FILE, Task
from convoy.core.models.engine import Engine
from convoy.importing.adapters.detection.yolox import Yolox
from convoy.importing.adapters.face_detection import retinaface
from convoy.importing.inspection import inspect
from convoy.importing.model_import import Imported, import_model
from convoy.importing.pictures import photograph
from convoy.importing.request import Request

from tests import foreign_layouts as layouts
from tests.foreign_layouts import Arrays
from tests.foreign_models import write_lines

pytestmark = pytest.mark.foreign
DETECTION, FACES, PLANES = Task.DETECTION, Task.FACE_DETECTION, Task.SEGMENTATION
COCO, COCO91, VOC = "coco_yolox.txt", "coco91.txt", "voc21.txt"


def raw_rgb(rgb: np.ndarray) -> np.ndarray:
    return rgb


def raw_bgr(rgb: np.ndarray) -> np.ndarray:
    return rgb[..., ::-1]


def zero_one(rgb: np.ndarray) -> np.ndarray:
    return rgb / 255


def imagenet(rgb: np.ndarray) -> np.ndarray:
    return (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


def imagenet_bgr(rgb: np.ndarray) -> np.ndarray:
    return (rgb[..., ::-1] - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]


def bgr_less_mean(rgb: np.ndarray) -> np.ndarray:
    return rgb[..., ::-1] - [104, 117, 123]


def less_127(rgb: np.ndarray) -> np.ndarray:
    return (rgb - 127) / 128


def minus_one_to_one(rgb: np.ndarray) -> np.ndarray:
    return rgb / 127.5 - 1


class Case(NamedTuple):
    """A file; how it wants its pixels; what its outputs mean; what an import must be told."""

    file: str
    task: Task
    pixels: Callable[[np.ndarray], np.ndarray]
    layout: Callable[[Arrays, int, int], Arrays]
    labels: str | tuple[str, ...] = ()
    told: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    size: tuple[int, int] | None = None
    channels_last: bool = False


def faces_without_landmarks(raw: Arrays, height: int, width: int) -> Arrays:
    return layouts.ssd_normalised_with_background(raw, height, width)


CASES = {
    "yunet": Case("yunet_s_640_640.onnx", FACES, raw_bgr, layouts.yunet),
    "retinaface with small priors": Case(
        "FaceDetector_1mb_mobilenet0.25.onnx", FACES, bgr_less_mean, layouts.retinaface_small
    ),
    "centerface": Case("centerface.onnx", FACES, raw_rgb, layouts.centerface, size=(320, 480)),
    "faces without landmarks": Case(
        "version-RFB-320.onnx",
        DETECTION,
        less_127,
        faces_without_landmarks,
        ("face",),
        {"preprocess": "minus-127", "resize": "stretch"},
    ),
    "yolox": Case("yolox_nano.onnx", DETECTION, raw_bgr, layouts.yolox, COCO),
    "yolox in half precision": Case("yolox_nano_fp16.onnx", DETECTION, raw_bgr, layouts.yolox, COCO),
    "nanodet": Case("nanodet_m.onnx", DETECTION, imagenet_bgr, layouts.nanodet, COCO),
    "deeplab": Case(
        "deeplab_v3_1_default_1.onnx",
        PLANES,
        minus_one_to_one,
        layouts.segment_channels_last,
        VOC,
        {"preprocess": "arcface"},
        channels_last=True,
    ),
    "roads": Case(
        "road_segmentation_adas_0001.onnx",
        PLANES,
        raw_bgr,
        layouts.segment_channels_last,
        ("background", "road", "curb", "mark"),
        {"preprocess": "raw-bgr"},
        channels_last=True,
    ),
    "one channel, a sigmoid": Case(
        "one_channel_sigmoid.onnx", PLANES, zero_one, layouts.segment_sigmoid, ("no", "yes"), {"preprocess": "zero-one"}
    ),
    "detr, small boxes": Case("detr_small_boxes.onnx", DETECTION, zero_one, layouts.detr, COCO91),
    "detr, large boxes": Case("detr_large_boxes.onnx", DETECTION, zero_one, layouts.detr, COCO91),
    "upsample of opset 9": Case(
        "upsample_opset9/upsample9.onnx", PLANES, raw_rgb, layouts.segment, ("a", "b"), {"preprocess": "raw"}
    ),
}


def bring_in(case: Case, networks: Path, folder: Path, **told: Any) -> Imported:
    """Import a file of the folder with the labels of its case."""
    if isinstance(case.labels, str):
        labels: Path | None = networks / case.labels
    else:
        labels = write_lines(folder / "labels.txt", case.labels) if case.labels else None
    request = {"licence": "MIT", "models": folder / "models", "labels": labels, **case.told, **told}
    return import_model(inspect(Request(networks / case.file, case.task, **request)))


def read_file(case: Case, file: Path, image: np.ndarray) -> Arrays:
    """What the file itself says of a picture, by ONNX Runtime alone."""
    pixels = case.pixels(image.astype(np.float64)).astype(np.float32)[None]
    source: str | bytes = str(file)
    if case.size is not None:
        source = with_open_lengths(file)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    taken = pixels if case.channels_last else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    outputs = session.run(None, {session.get_inputs()[0].name: taken})
    return {one.name: array[0] for one, array in zip(session.get_outputs(), outputs, strict=True)}


def with_open_lengths(file: Path) -> bytes:
    """The same file for any size: only what it declares of its input and outputs is another."""
    model = onnx.load(file)
    for value in [*model.graph.input, *model.graph.output]:
        for place, length in enumerate(value.type.tensor_type.shape.dim):
            if place != 1:
                length.dim_param = f"length {value.name} {place}"
    return bytes(model.SerializeToString())


def pictures(height: int, width: int) -> list[np.ndarray]:
    """Random pixels, and the bundled picture stretched to the size."""
    random = np.random.default_rng(11).integers(0, 256, (height, width, 3), np.uint8)
    return [random, np.ascontiguousarray(cv2.resize(photograph(), (width, height), interpolation=cv2.INTER_AREA))]


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_its_file_says(name: str, foreign_networks: Path, tmp_path: Path) -> None:
    case = CASES[name]
    imported = bring_in(case, foreign_networks, tmp_path)
    spec = imported.manifest.input
    height, width = case.size or (spec.height or 0, spec.width or 0)
    engine = Engine(imported.folder / GRAPH_FILE, "cpu")
    images = np.stack(pictures(height, width))
    found = engine.run(images)
    for place, image in enumerate(images):
        wanted = case.layout(read_file(case, foreign_networks / case.file, image), height, width)
        for output, numbers in wanted.items():
            if output == "class_map":
                assert np.mean(found[output][place] != numbers) < 1e-4
            else:
                bound = 1e-4 if output == "scores" else 0.01
                np.testing.assert_allclose(found[output][place], numbers, rtol=2e-5, atol=bound)
    assert {one.name for one in imported.differences} == set(wanted)
    assert all(one.largest <= one.bound for one in imported.differences)


@pytest.mark.parametrize("name", ["yunet", "retinaface with small priors", "centerface"])
def test_a_face_is_found_where_it_is(name: str, foreign_networks: Path, tmp_path: Path) -> None:
    notes = bring_in(CASES[name], foreign_networks, tmp_path).notes
    assert any(note.startswith("it finds the face in the bundled picture") for note in notes)
    assert not any("finds nobody" in note for note in notes)


def test_one_channel_is_cut_in_its_middle(foreign_networks: Path, tmp_path: Path) -> None:
    """At 0 all of it would be foreground; as logits it is, since the user says so."""
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    case = CASES["one channel, a sigmoid"]
    shares = []
    for told in ({}, {"scores": "logits"}):
        folder = bring_in(case, foreign_networks, tmp_path, **told).folder
        shares.append(Engine(folder / GRAPH_FILE, "cpu").run(image)["class_map"].mean())
    assert 0.2 < shares[0] < 0.8
    assert shares[1] == 1


class Refusal(NamedTuple):
    case: str
    told: dict[str, Any]
    words: str


REFUSALS = {
    "yolox is not yolov5": Refusal("yolox", {"adapter": "yolov5"}, "not decoded"),
    "other priors": Refusal(
        "retinaface with small priors",
        {"priors": ((16, 32), (64, 128), (256, 512))},
        r"it finds the face in the bundled picture with a score of 1\.00 at",
    ),
    "priors of other sizes": Refusal(
        "retinaface with small priors",
        {"priors": ((20, 40), (64, 128), (256, 512))},
        "it finds the face in the bundled picture with a score of",
    ),
    "priors of other numbers": Refusal(
        "retinaface with small priors", {"priors": ((16,), (64,), (256,))}, "give others with --priors"
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_wrong_reading_is_refused(name: str, foreign_networks: Path, tmp_path: Path) -> None:
    refusal = REFUSALS[name]
    with pytest.raises(InvalidArgument, match=refusal.words):
        bring_in(CASES[refusal.case], foreign_networks, tmp_path, **refusal.told)
    assert not (tmp_path / "models").exists()


def test_unknown_priors_are_asked_for(foreign_networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the known ones put the face of the bundled picture near its place and none gives it its size."""
    others = (((16, 32), (64, 128), (256, 512)), ((14, 28), (45, 90), (180, 360)))
    monkeypatch.setattr(retinaface, "KNOWN_PRIORS", others)
    case = CASES["retinaface with small priors"]
    with pytest.raises(InvalidArgument, match="no known priors find the bundled picture's face"):
        bring_in(case, foreign_networks, tmp_path)
    told = {"priors": ((10, 20), (32, 64), (128, 256))}
    assert bring_in(case, foreign_networks, tmp_path, **told).adapter == "retinaface"


def test_a_wrong_guess_of_pixels_is_refused(
    foreign_networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundled picture shows a person; where the guess does not see her and another way does, the guess is wrong."""
    monkeypatch.setattr(Yolox, "preprocess", "zero-one")
    with pytest.raises(
        InvalidArgument, match=r"`zero-one`, it finds in .*: nothing\. Others see her .*`raw-bgr`: person"
    ):
        bring_in(CASES["yolox"], foreign_networks, tmp_path)
    assert not (tmp_path / "models").exists()
    assert bring_in(CASES["yolox"], foreign_networks, tmp_path, preprocess="raw-bgr").adapter == "yolox"


def test_faces_without_landmarks_are_told_what_to_do(foreign_networks: Path, tmp_path: Path) -> None:
    case = Case("version-RFB-320.onnx", FACES, less_127, faces_without_landmarks)
    with pytest.raises(InvalidArgument, match=r"no landmarks, .*--task detection and a file of labels"):
        bring_in(case, foreign_networks, tmp_path)
