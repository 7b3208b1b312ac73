"""Boxes, scores and landmarks to faces."""

from collections.abc import Callable

import numpy as np
import pytest
from convoy.core.manifest import Manifest, Task, Thresholds
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement
from convoy.faces.task import Options, cosine, interpret, prepare

PICTURE = Picture(np.zeros((100, 100, 3), np.uint8), 100, 100)
AS_IS = Placement(100, 100, 0, 0, 100, 100, 0, 0, 100, 100)
Box = tuple[float, float, float, float]


@pytest.fixture
def manifest(manifest_of: Callable[..., Manifest]) -> Manifest:
    return manifest_of(Task.FACE_DETECTION, ["face"], Thresholds(detection=0.5, iou=0.4))


def outputs(*rows: tuple[Box, float]) -> dict[str, np.ndarray]:
    """Boxes with their scores; the landmarks are the box's upper left corner and four more to its right."""
    boxes = np.array([box for box, _ in rows], np.float32)
    landmarks = boxes[:, None, :2] + np.arange(5, dtype=np.float32)[None, :, None] * np.array([1, 0], np.float32)
    return {"boxes": boxes, "scores": np.array([[score] for _, score in rows], np.float32), "landmarks": landmarks}


def test_faces_come_largest_first_with_their_own_landmarks(manifest: Manifest) -> None:
    found = interpret(outputs(((10, 10, 20, 20), 0.75), ((40, 40, 80, 80), 0.5)), AS_IS, PICTURE, manifest)
    assert [(face.box_xyxy.tolist(), face.score) for face in found] == [
        ([40, 40, 80, 80], 0.5),
        ([10, 10, 20, 20], 0.75),
    ]
    assert found[1].landmarks_xy.tolist() == [[10, 10], [11, 10], [12, 10], [13, 10], [14, 10]]


def test_of_two_boxes_around_one_face_the_surer_stays(manifest: Manifest) -> None:
    found = interpret(outputs(((10, 10, 30, 30), 0.6), ((11, 11, 31, 31), 0.9)), AS_IS, PICTURE, manifest)
    assert [face.box_xyxy.tolist() for face in found] == [[11, 11, 31, 31]]


@pytest.mark.parametrize(
    ("options", "widths"),
    [
        (Options(), [30, 20]),
        (Options(detection_threshold=0.3), [30, 20, 10]),
        (Options(detection_threshold=0.3, max_faces=2), [30, 20]),
        (Options(detection_threshold=0.3, min_face_size_px=20), [30, 20]),
        (Options(largest_only=True), [30]),
        (Options(detection_threshold=0.3, max_faces=None), [30, 20, 10]),
    ],
)
def test_options_choose(manifest: Manifest, options: Options, widths: list[int]) -> None:
    rows = outputs(((0, 0, 10, 10), 0.4), ((20, 0, 40, 20), 0.6), ((60, 0, 90, 30), 0.6))
    assert [
        face.box_xyxy[2] - face.box_xyxy[0] for face in interpret(rows, AS_IS, PICTURE, manifest, options)
    ] == widths


def test_the_smallest_size_counts_in_the_picture_that_was_sent(manifest: Manifest) -> None:
    picture = Picture(np.zeros((100, 100, 3), np.uint8), 400, 400)
    _, placement = prepare(picture, manifest)
    rows = outputs(((10, 10, 20, 20), 0.9))
    assert len(interpret(rows, placement, picture, manifest, Options(min_face_size_px=40))) == 1
    assert interpret(rows, placement, picture, manifest, Options(min_face_size_px=41)) == []


def test_boxes_without_an_area_are_no_faces(manifest: Manifest) -> None:
    assert interpret(outputs(((10, 10, 10, 10), 0.9)), AS_IS, PICTURE, manifest) == []


def test_cosine_stays_in_its_range() -> None:
    one = np.full(3, 0.57735026918962576, np.float32) * np.float32(1.0001)
    assert cosine(one, one) == 1.0
    assert cosine(one, -one) == -1.0
    assert cosine(np.array([1, 0], np.float32), np.array([0, 1], np.float32)) == 0.0
