"""Each adapter's graph against its layout worked out in NumPy, on the very outputs that the foreign graph gives."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import onnxruntime
import pytest
from convoy.core.manifest import GRAPH_FILE, Task, load_manifest
from convoy.core.models.engine import Engine
from convoy.importing.inspection import inspect
from convoy.importing.model_import import import_model
from convoy.importing.request import Request

from tests import foreign_layouts as layouts
from tests import foreign_models as models
from tests.foreign_layouts import Arrays
from tests.foreign_models import Drawing, write_lines


class Case(NamedTuple):
    """A foreign graph; its pixels: float pictures [N, H, W, 3] RGB 0..255 -> what it takes; its layout."""

    task: Task
    adapter: str
    draw: Callable[..., Drawing]
    layout: Callable[[Arrays, int, int], Arrays]
    classes: int = 0
    size: tuple[int, int] = (64, 96)
    dynamic: bool = False
    points: tuple[str, ...] = ()


def zero_one(rgb: np.ndarray) -> np.ndarray:
    return rgb / 255


def imagenet(rgb: np.ndarray) -> np.ndarray:
    return (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


def bgr(rgb: np.ndarray) -> np.ndarray:
    return rgb[..., ::-1]


def bgr_less_mean(rgb: np.ndarray) -> np.ndarray:
    return rgb[..., ::-1] - [104, 117, 123]


def imagenet_bgr(rgb: np.ndarray) -> np.ndarray:
    return imagenet(rgb)[..., ::-1]


def scrfd_pixels(rgb: np.ndarray) -> np.ndarray:
    return (rgb - 127.5) / 128


def arcface_pixels(rgb: np.ndarray) -> np.ndarray:
    return (rgb - 127.5) / 127.5


PIXELS = {
    "yolov5": zero_one,
    "yolov8": zero_one,
    "yolov8-seg": zero_one,
    "yolov8-pose": zero_one,
    "ssd": zero_one,
    "yunet": bgr,
    "retinaface": bgr_less_mean,
    "scrfd": scrfd_pixels,
    "yolox": bgr,
    "detr": zero_one,
    "nanodet": imagenet_bgr,
    "nanodet-plus": imagenet_bgr,
    "centerface": lambda rgb: rgb,
    "arcface": arcface_pixels,
    "tree": zero_one,
}
POINTS = ("head", "tail")
DETECTION, FACES, PLANES = Task.DETECTION, Task.FACE_DETECTION, Task.SEGMENTATION
CASES = {
    "softmax": Case(
        Task.CLASSIFICATION,
        "softmax",
        lambda **facts: models.classifier(5, softmax=True, **facts),
        lambda raw, height, width: {"probabilities": raw["output"]},
        5,
    ),
    "logits": Case(
        Task.CLASSIFICATION,
        "logits",
        lambda **facts: models.classifier(5, **facts),
        lambda raw, height, width: {"probabilities": layouts.softmax(raw["output"])},
        5,
    ),
    "nhwc": Case(
        Task.CLASSIFICATION,
        "logits",
        lambda **facts: models.classifier(5, layout="nhwc", **facts),
        lambda raw, height, width: {"probabilities": layouts.softmax(raw["output"])},
        5,
    ),
    "yolov5": Case(DETECTION, "yolov5", lambda **facts: models.yolov5(4, **facts), layouts.yolov5, 4),
    "one logit": Case(
        Task.CLASSIFICATION,
        "logits",
        lambda **facts: models.classifier(1, **facts),
        lambda raw, height, width: {
            "probabilities": np.concatenate([1 - layouts.sigmoid(raw["output"]), layouts.sigmoid(raw["output"])])
        },
        2,
    ),
    "tree": Case(Task.CLASSIFICATION, "tree", models.tree, layouts.tree, 2),
    "grey": Case(
        Task.CLASSIFICATION,
        "logits",
        lambda **facts: models.classifier(5, channels=1, **facts),
        lambda raw, height, width: {"probabilities": layouts.softmax(raw["output"])},
        5,
    ),
    "yolox": Case(DETECTION, "yolox", lambda **facts: models.yolox(4, **facts), layouts.yolox, 4),
    "yolox-dynamic": Case(DETECTION, "yolox", lambda **facts: models.yolox(4, **facts), layouts.yolox, 4, dynamic=True),
    "yolox-decoded": Case(
        DETECTION, "yolox", lambda **facts: models.yolox(4, decoded=True, **facts), layouts.yolov5, 4
    ),
    "detr": Case(DETECTION, "detr", lambda **facts: models.detr(4, **facts), layouts.detr, 4),
    "detr-no-object": Case(
        DETECTION, "detr", lambda **facts: models.detr(4, no_object=True, **facts), layouts.detr_with_no_object, 4
    ),
    "rtdetr": Case(DETECTION, "detr", lambda **facts: models.detr(4, joint=True, **facts), layouts.rtdetr, 4),
    "nanodet": Case(DETECTION, "nanodet", lambda **facts: models.nanodet(4, **facts), layouts.nanodet, 4),
    "nanodet-dynamic": Case(
        DETECTION, "nanodet", lambda **facts: models.nanodet(4, **facts), layouts.nanodet, 4, dynamic=True
    ),
    "nanodet-plus": Case(
        DETECTION, "nanodet-plus", lambda **facts: models.nanodet_plus(4, **facts), layouts.nanodet_plus, 4, (64, 128)
    ),
    "picodet": Case(
        DETECTION,
        "picodet",
        lambda **facts: models.nanodet(4, (8, 16, 32, 64), **facts),
        layouts.picodet,
        4,
        (64, 128),
    ),
    "centerface": Case(FACES, "centerface", models.centerface, layouts.centerface, dynamic=True),
    "yolov8": Case(DETECTION, "yolov8", lambda **facts: models.yolov8(4, **facts), layouts.yolov8, 4),
    "yolov8-dynamic": Case(
        DETECTION, "yolov8", lambda **facts: models.yolov8(4, **facts), layouts.yolov8, 4, dynamic=True
    ),
    "yolov8-seg": Case(
        DETECTION, "yolov8-seg", lambda **facts: models.yolov8_seg(4, **facts), layouts.yolov8_seg, 4, dynamic=True
    ),
    "yolov8-pose": Case(
        DETECTION, "yolov8-pose", lambda **facts: models.yolov8_pose(1, **facts), layouts.yolov8_pose, 1, points=POINTS
    ),
    "yolov8-pose-unseen": Case(
        DETECTION,
        "yolov8-pose",
        lambda **facts: models.yolov8_pose(1, seen=False, **facts),
        layouts.yolov8_pose_without_visibility,
        1,
        dynamic=True,
        points=POINTS,
    ),
    "ssd-normalised": Case(
        DETECTION, "ssd", lambda **facts: models.ssd(5, **facts), layouts.ssd_normalised_with_background, 4
    ),
    "ssd-dynamic": Case(
        DETECTION,
        "ssd",
        lambda **facts: models.ssd(5, **facts),
        layouts.ssd_normalised_with_background,
        4,
        dynamic=True,
    ),
    "ssd-pixels": Case(
        DETECTION,
        "ssd",
        lambda **facts: models.ssd(4, logits=True, pixels=64, **facts),
        layouts.ssd_pixels_of_logits,
        4,
    ),
    "retinanet": Case(
        DETECTION, "retinanet", lambda **facts: models.retinanet(3, **facts), layouts.retinanet, 3, (128, 256)
    ),
    "scrfd": Case(FACES, "scrfd", models.scrfd, layouts.scrfd),
    "scrfd-flat": Case(FACES, "scrfd", lambda **facts: models.scrfd(flat=True, **facts), layouts.scrfd),
    "scrfd-flat-dynamic": Case(
        FACES, "scrfd", lambda **facts: models.scrfd(flat=True, **facts), layouts.scrfd, dynamic=True
    ),
    "yunet": Case(FACES, "yunet", models.yunet, layouts.yunet),
    "retinaface": Case(FACES, "retinaface", models.retinaface, layouts.retinaface),
    "retinaface-dynamic": Case(FACES, "retinaface", models.retinaface, layouts.retinaface, dynamic=True),
    "segmentation": Case(PLANES, "logits", lambda **facts: models.segmenter(4, **facts), layouts.segment, 4),
    "segmentation-small": Case(
        PLANES, "logits", lambda **facts: models.segmenter(4, stride=8, **facts), layouts.segment, 4
    ),
    "segmentation-binary": Case(
        PLANES, "logits", lambda **facts: models.segmenter(1, stride=4, **facts), layouts.segment, 2
    ),
    "segmentation-last": Case(
        PLANES, "logits", lambda **facts: models.segmenter(4, last=True, **facts), layouts.segment_channels_last, 4
    ),
    "segmentation-small-last": Case(
        PLANES,
        "logits",
        lambda **facts: models.segmenter(4, stride=8, last=True, **facts),
        layouts.segment_channels_last,
        4,
    ),
    "segmentation-sigmoid": Case(
        PLANES, "logits", lambda **facts: models.segmenter(1, sigmoid=True, **facts), layouts.segment_sigmoid, 2
    ),
    "class-map": Case(
        PLANES,
        "class_map",
        lambda **facts: models.segmenter(4, argmax=True, **facts),
        lambda raw, height, width: {"class_map": raw["mask"][0]},
        4,
    ),
    "arcface": Case(
        Task.FACE_EMBEDDING, "arcface", lambda **facts: models.embedder(**facts), layouts.embed, size=(112, 112)
    ),
}


def pictures(number: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (number, height, width, 3), np.uint8)


def run_foreign(file: Path, image: np.ndarray, case: Case, layout: str) -> Arrays:
    """The foreign graph's outputs for one picture, without their batch."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    if session.get_inputs()[0].shape[1] == 1:
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)[None, ..., None] / 255
    else:
        pixels = PIXELS.get(case.adapter, imagenet)(image.astype(np.float64)).astype(np.float32)[None]
    if layout == "nchw":
        pixels = pixels.transpose(0, 3, 1, 2)
    outputs = session.run(None, {"input.1": np.ascontiguousarray(pixels)})
    names = [output.name for output in session.get_outputs()]
    return {
        name: array if array.ndim == 2 and len(array) > 1 else array[0]
        for name, array in zip(names, outputs, strict=True)
    }


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("name", CASES)
def test_the_wrapped_graph_gives_what_the_layout_means(name: str, opset: int, tmp_path: Path) -> None:
    case = CASES[name]
    size = ("height", "width") if case.dynamic else case.size
    file = case.draw(size=size, opset=opset).save(tmp_path / "Foreign Net.onnx")
    labels = write_lines(tmp_path / "labels.txt", [f"class {index}" for index in range(case.classes)])
    request = Request(
        network=file,
        task=case.task,
        licence="MIT",
        models=tmp_path / "models",
        labels=labels if case.classes else None,
        adapter=case.adapter,
        input_size=256 if case.dynamic else None,
        points=case.points,
    )
    imported = import_model(inspect(request))
    manifest = load_manifest(imported.folder)
    assert imported.folder == tmp_path / "models" / "foreign-net" / "1"
    assert manifest.input.height == (None if case.dynamic else case.size[0])

    engine = Engine(imported.folder / GRAPH_FILE, "cpu")
    engine.check(case.task, outputs=manifest.outputs)
    assert manifest.points == list(case.points)
    assert (manifest.masks is not None) == (case.adapter == "yolov8-seg")
    height, width = case.size
    images = pictures(3, height, width)
    found = engine.run(images)
    for place, image in enumerate(images):
        raw = run_foreign(file, image, case, "nhwc" if name == "nhwc" else "nchw")
        for output, wanted in case.layout(raw, height, width).items():
            assert found[output][place].shape == wanted.shape
            if output == "class_map":
                assert np.mean(found[output][place] != wanted) < 1e-3
            else:
                np.testing.assert_allclose(
                    found[output][place], wanted, rtol=2e-4, atol=2e-3 if output in ("boxes", "points") else 2e-4
                )
