"""Imported graphs behind real services: no service knows that they are foreign."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from convoy.core.manifest import Task
from convoy.faces.alignment import REFERENCE_LANDMARKS, align_face
from convoy.importing.inspection import inspect
from convoy.importing.model_import import import_model
from convoy.importing.request import Request
from convoy.testing import pictures
from convoy.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    common_pb2,
    detection_pb2,
    detection_pb2_grpc,
    faces_pb2,
    faces_pb2_grpc,
    segmentation_pb2,
    segmentation_pb2_grpc,
)

from tests import foreign_layouts as layouts
from tests import foreign_models as models
from tests.foreign_models import Drawing, write_lines
from tests.serving import running

LABELS = ["cat", "dog", "bird", "fish"]
TEMPLATE = REFERENCE_LANDMARKS / 2 - 16
"""Landmarks of a face of 56 pixels whose box begins 16 pixels before the cell."""


def wrap(drawing: Drawing, task: Task, folder: Path, name: str, labels: list[str] = LABELS, **facts: Any) -> Path:
    """Import a drawing into `folder`/models; gives the foreign file."""
    file = drawing.save(folder / f"{name}.onnx")
    lines = write_lines(folder / "labels.txt", labels) if labels else None
    import_model(inspect(Request(file, task, "MIT", models=folder / "models", labels=lines, **facts)))
    return file


def run_foreign(file: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"input.1": pixels.astype(np.float32).transpose(2, 0, 1)[None]})
    return {one.name: array[0] for one, array in zip(session.get_outputs(), outputs, strict=True)}


def picture(height: int, width: int, seed: int = 1) -> np.ndarray:
    """Coarse random patches: neighbouring cells differ, so one of them wins clearly."""
    patches = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.ascontiguousarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_NEAREST))


def message(image_rgb: np.ndarray) -> common_pb2.Image:
    return common_pb2.Image(encoded=pictures.encode(image_rgb))


async def test_a_classifier(tmp_path: Path) -> None:
    file = wrap(models.classifier(4), Task.CLASSIFICATION, tmp_path, "net", preprocess="zero-one", bgr=True)
    images = [picture(32, 32, seed) for seed in range(3)]
    async with running("classification", tmp_path / "models", model="net") as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        request = classification_pb2.ClassifyRequest(images=[message(image) for image in images], top_k=4)
        response = await stub.Classify(request)
    for image, result in zip(images, response.results, strict=True):
        wanted = layouts.softmax(run_foreign(file, image[..., ::-1] / 255)["output"])
        found = {label.name: label.probability for label in result.labels}
        np.testing.assert_allclose([found[label] for label in LABELS], wanted, atol=1e-5)


@pytest.mark.parametrize("kind", ["yolov5", "yolov8", "yolox", "detr", "nanodet", "ssd", "retinanet"])
async def test_a_detector(kind: str, tmp_path: Path) -> None:
    size = (128, 128) if kind == "retinanet" else (64, 96)
    drawings = {name: getattr(models, name) for name in ("yolov5", "yolov8", "yolox", "detr", "nanodet", "retinanet")}
    drawing = models.ssd(5, size=size) if kind == "ssd" else drawings[kind](4, size=size)
    file = wrap(drawing, Task.DETECTION, tmp_path, "net", adapter=kind, preprocess="zero-one")
    image = picture(*size)
    layout = getattr(layouts, "ssd_normalised_with_background" if kind == "ssd" else kind)
    wanted = layout(run_foreign(file, image / 255), *size)
    best, index = np.unravel_index(wanted["scores"].argmax(), wanted["scores"].shape)
    async with running("detection", tmp_path / "models", model="net") as service:
        stub = detection_pb2_grpc.DetectionServiceStub(service.channel)
        request = detection_pb2.DetectRequest(images=[message(image)], max_detections=1, detection_threshold=0)
        found = (await stub.Detect(request)).results[0].detections[0]
    box = np.clip(wanted["boxes"][best], 0, [size[1], size[0]] * 2)
    assert found.label == LABELS[index]
    assert found.score == pytest.approx(wanted["scores"].max(), abs=1e-5)
    np.testing.assert_allclose([found.box.x_min, found.box.y_min, found.box.x_max, found.box.y_max], box, atol=1e-2)


async def test_a_segmenter(tmp_path: Path) -> None:
    drawing = models.segmenter(4, stride=8, size=(64, 96))
    file = wrap(drawing, Task.SEGMENTATION, tmp_path, "net", preprocess="zero-one")
    image = picture(64, 96)
    async with running("segmentation", tmp_path / "models", model="net") as service:
        stub = segmentation_pb2_grpc.SegmentationServiceStub(service.channel)
        request = segmentation_pb2.SegmentRequest(images=[message(image)], mask_format=segmentation_pb2.MASK_FORMAT_RAW)
        result = (await stub.Segment(request)).results[0]
    mask = np.frombuffer(result.mask, np.uint8).reshape(64, 96)
    wanted = layouts.segment(run_foreign(file, image / 255), 64, 96)["class_map"]
    assert np.mean(mask != wanted) < 1e-3
    assert {region.label for region in result.regions} == {LABELS[index] for index in np.unique(mask)}


async def test_a_face_detector_and_an_embedder(tmp_path: Path) -> None:
    """White cells on a dark picture are faces for the detector: box and landmarks follow by hand."""
    wrap(models.face_finder(TEMPLATE), Task.FACE_DETECTION, tmp_path, "scrfd_tiny", labels=[])
    embedder = wrap(models.embedder(), Task.FACE_EMBEDDING, tmp_path, "arcface-tiny", labels=[])
    image = np.full((150, 200, 3), 30, np.uint8)
    image[40:80, 40:90] = pictures.portrait(3)[60:100, 60:110] // 2
    image[40:48, 48:56] = image[96:104, 144:152] = 255
    settings = {"face_detector": "scrfd_tiny", "face_embedder": "arcface-tiny"}
    async with running("faces", tmp_path / "models", **settings) as service:
        stub = faces_pb2_grpc.FaceServiceStub(service.channel)
        response = await stub.EmbedFaces(faces_pb2.EmbedFacesRequest(images=[message(image)]))
        same = await stub.CompareFaces(faces_pb2.CompareFacesRequest(first=message(image), second=message(image)))
    assert (response.detector.name, response.embedder.name) == ("scrfd_tiny", "arcface-tiny")
    assert same.similarity == pytest.approx(1, abs=1e-4)
    found = sorted(response.results[0].faces, key=lambda face: face.box.x_min)
    assert len(found) == 2
    for face, corner in zip(found, ([48, 40], [144, 96]), strict=True):
        (x, y), box, marks = corner, face.box, face.landmarks
        edges = [box.x_min, box.y_min, box.x_max, box.y_max]
        np.testing.assert_allclose(edges, [x - 16, y - 16, x + 40, min(y + 40, 150)], atol=1e-2)
        assert face.detection_score == pytest.approx(layouts.sigmoid(10 * 127.5 / 128 - 5), abs=1e-4)
        points = [marks.left_eye, marks.right_eye, marks.nose, marks.mouth_left, marks.mouth_right]
        np.testing.assert_allclose([(point.x, point.y) for point in points], TEMPLATE + corner, atol=1e-2)
        aligned = align_face(image, TEMPLATE + corner)
        wanted = layouts.embed(run_foreign(embedder, (aligned - 127.5) / 127.5), 112, 112)["embeddings"]
        np.testing.assert_allclose(face.embedding.values, wanted, atol=2e-3)


@pytest.mark.parametrize("kind", ["yunet", "retinaface"])
async def test_other_face_detectors(kind: str, tmp_path: Path) -> None:
    """The most certain faces of random heads are those that the layout names."""
    size = (64, 96)
    file = wrap(getattr(models, kind)(size=size), Task.FACE_DETECTION, tmp_path, kind, labels=[])
    wrap(models.embedder(), Task.FACE_EMBEDDING, tmp_path, "arcface-tiny", labels=[])
    image = picture(*size)
    pixels = image[..., ::-1].astype(np.float64) - ([104, 117, 123] if kind == "retinaface" else [0, 0, 0])
    wanted = getattr(layouts, kind)(run_foreign(file, pixels), *size)
    least = float(wanted["scores"].max()) - 1e-5
    best = np.clip(wanted["boxes"][wanted["scores"][:, 0] >= least], 0, [size[1], size[0]] * 2)
    async with running("faces", tmp_path / "models", face_detector=kind, face_embedder="arcface-tiny") as service:
        stub = faces_pb2_grpc.FaceServiceStub(service.channel)
        options = faces_pb2.FaceDetectionOptions(detection_threshold=least)
        request = faces_pb2.DetectFacesRequest(images=[message(image)], options=options)
        faces = (await stub.DetectFaces(request)).results[0].faces
    assert faces
    for face in faces:
        edges = [face.box.x_min, face.box.y_min, face.box.x_max, face.box.y_max]
        assert np.abs(best - edges).max(axis=1).min() < 1e-2
