"""Masks and named points of objects, through a real server and the client, read by pycocotools."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
from convoy.client.answers import vision
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import common_pb2, detection_pb2, detection_pb2_grpc
from PIL import Image
from pycocotools import mask as coco

from tests.instance_models import NAME, POINTS, write_masked_detector
from tests.serving import Running, refusal, running

# pycocotools 2.0.11 does not know a keyword of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RLE, POLYGONS, PNG = 1, 2, 3
MASKED = common_pb2.ModelRef(name=NAME)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_repository(tmp_path_factory.mktemp("models"))
    write_masked_detector(root)
    return root


@pytest.fixture
async def service(models: Path) -> AsyncIterator[Running]:
    async with running("detection", models) as started:
        yield started


def ring(scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A bright ring and a dark ellipse on grey: the picture [120, 160, 3] times scale, and the ring's pixels."""
    picture = pictures.plain(width=160 * scale, height=120 * scale)
    inside = np.zeros(picture.shape[:2], np.uint8)
    cv2.circle(inside, (60 * scale, 50 * scale), 40 * scale, 1, -1)
    cv2.circle(inside, (70 * scale, 55 * scale), 10 * scale, 0, -1)
    picture[inside == 1] = 255
    cv2.ellipse(picture, (130 * scale, 90 * scale), (20 * scale, 9 * scale), 30, 0, 360, (0, 0, 0), -1)
    return picture, inside.astype(bool)


def ask(picture: np.ndarray, *formats: int, model: common_pb2.ModelRef = MASKED) -> detection_pb2.DetectRequest:
    image = common_pb2.Image(encoded=pictures.encode(picture))
    return detection_pb2.DetectRequest(images=[image], model=model, mask_formats=formats)


async def test_masks_come_in_every_form_and_pycocotools_reads_them(service: Running) -> None:
    stub = detection_pb2_grpc.DetectionServiceStub(service.channel)
    picture, truth = ring()
    result = (await stub.Detect(ask(picture, RLE, POLYGONS, PNG))).results[0]
    bright = next(one for one in result.detections if one.label == "bright")
    decoded = coco.decode({"size": [120, 160], "counts": bright.mask.rle.counts})
    assert (decoded == truth).all()
    assert bright.mask.rle.counts.encode() == coco.encode(np.asfortranarray(truth.astype(np.uint8)))["counts"]
    assert bright.mask.area == truth.sum()
    filled = coco.decode(coco.merge(coco.frPyObjects([list(p.xy) for p in bright.mask.polygons], 120, 160)))
    hole_filled = truth | (np.hypot(*(np.mgrid[:120, :160] - np.array([50, 60])[:, None, None])) < 39)
    assert (filled == hole_filled).all()  # COCO's polygons have no holes
    with Image.open(io.BytesIO(bright.mask.png)) as png:
        part = np.array(png) > 0
    pasted = np.zeros_like(truth)
    left, top = bright.mask.png_left, bright.mask.png_top
    pasted[top : top + part.shape[0], left : left + part.shape[1]] = part
    assert (pasted == truth).all()
    dark = next(one for one in result.detections if one.label == "dark")
    assert (coco.decode({"size": [120, 160], "counts": dark.mask.rle.counts}) == (picture[:, :, 0] == 0)).all()


async def test_masks_of_a_picture_that_is_scaled_lie_where_the_object_is(service: Running) -> None:
    stub = detection_pb2_grpc.DetectionServiceStub(service.channel)
    picture, truth = ring(scale=5)
    result = (await stub.Detect(ask(picture, RLE))).results[0]
    found = vision.read_detections(detection_pb2.DetectResponse(results=[result]))[0].detections[0]
    assert found.mask is not None
    pixels = found.mask.pixels
    assert pixels.shape == truth.shape
    assert (pixels & truth).sum() / (pixels | truth).sum() > 0.97
    assert set(found.to_dict()["mask"]) == {"area", "rle", "polygons"}


async def test_points_have_names_places_and_scores(service: Running) -> None:
    stub = detection_pb2_grpc.DetectionServiceStub(service.channel)
    result = (await stub.Detect(ask(ring(scale=5)[0]))).results[0]
    found = vision.read_detections(detection_pb2.DetectResponse(results=[result]))[0].detections[0]
    assert found.mask is None
    assert [point.name for point in found.points] == POINTS
    corners = [(point.position.x, point.position.y) for point in found.points]
    assert np.array(corners) == pytest.approx(np.array([[100, 50], [500, 450]]), abs=8)
    assert [point.score for point in found.points] == pytest.approx([0.9, 0.9])


async def test_a_face_detector_gives_its_landmarks_as_points(service: Running) -> None:
    stub = detection_pb2_grpc.DetectionServiceStub(service.channel)
    model = common_pb2.ModelRef(name="face-detector-nano")
    found = (await stub.Detect(ask(pictures.portrait(1), model=model))).results[0].detections[0]
    assert [point.name for point in found.points] == ["left_eye", "right_eye", "nose", "mouth_left", "mouth_right"]
    assert found.points[0].position.x < found.points[1].position.x
    assert not found.points[0].HasField("score")


@pytest.mark.parametrize(
    ("formats", "model", "code", "reason"),
    [
        ([RLE], "bccd-yolo", grpc.StatusCode.FAILED_PRECONDITION, "NO_MASKS"),
        ([9], NAME, grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT"),
        ([0], NAME, grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT"),
        ([RLE, RLE], NAME, grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT"),
    ],
)
async def test_requests_for_masks_that_cannot_be_answered_say_why(
    service: Running, formats: list[int], model: str, code: grpc.StatusCode, reason: str
) -> None:
    stub = detection_pb2_grpc.DetectionServiceStub(service.channel)
    said = await refusal(stub.Detect, ask(ring()[0], *formats, model=common_pb2.ModelRef(name=model)))
    assert (said.code, said.reason) == (code, reason)
