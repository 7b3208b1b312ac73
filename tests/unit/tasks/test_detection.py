"""Boxes and scores to objects in the frame of the picture that was sent."""

from collections.abc import Callable

import numpy as np
import pytest
from convoy.core.manifest import Manifest, Task, Thresholds
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement
from convoy.detection.task import Detection, Options, interpret, prepare

PICTURE = Picture(np.zeros((100, 100, 3), np.uint8), 100, 100)
AS_IS = Placement(100, 100, 0, 0, 100, 100, 0, 0, 100, 100)
LABELS = ["cell", "clump"]


@pytest.fixture
def manifest(manifest_of: Callable[..., Manifest]) -> Manifest:
    return manifest_of(Task.DETECTION, LABELS, Thresholds(detection=0.4, iou=0.5))


def outputs(*rows: tuple[tuple[float, float, float, float], tuple[float, float]]) -> dict[str, np.ndarray]:
    """Each row: a box and its score for each class."""
    boxes, scores = zip(*rows, strict=True)
    return {"boxes": np.array(boxes, np.float32), "scores": np.array(scores, np.float32)}


def test_objects_come_best_first_with_class_and_box(manifest: Manifest) -> None:
    found = interpret(
        outputs(((10, 10, 20, 20), (0.5, 0.0)), ((40, 40, 60, 80), (0.0, 0.75))), AS_IS, PICTURE, manifest
    )
    assert found == [
        Detection((40, 40, 60, 80), 1, "clump", 0.75),
        Detection((10, 10, 20, 20), 0, "cell", 0.5),
    ]


def test_of_two_of_one_class_that_overlap_the_weaker_goes_and_another_class_stays(manifest: Manifest) -> None:
    near = (11.0, 11.0, 31.0, 31.0)
    found = interpret(
        outputs(((10, 10, 30, 30), (0.5, 0.0)), (near, (0.75, 0.0)), (near, (0.0, 0.5))), AS_IS, PICTURE, manifest
    )
    assert [(one.label, one.score) for one in found] == [("cell", 0.75), ("clump", 0.5)]


def test_a_box_may_be_of_two_classes(manifest: Manifest) -> None:
    found = interpret(outputs(((10, 10, 30, 30), (0.5, 0.75))), AS_IS, PICTURE, manifest)
    assert [one.label for one in found] == ["clump", "cell"]


@pytest.mark.parametrize(
    ("options", "scores"),
    [
        (Options(), [0.75, 0.5]),
        (Options(detection_threshold=0.25), [0.75, 0.5, 0.25]),  # The threshold itself counts.
        (Options(detection_threshold=0.8), []),
        (Options(detection_threshold=0.0, max_detections=1), [0.75]),
        (Options(detection_threshold=0.25, labels=["clump"]), [0.25]),
        (Options(iou_threshold=0.0), [0.75]),
    ],
)
def test_options_come_before_the_manifest(manifest: Manifest, options: Options, scores: list[float]) -> None:
    rows = outputs(((10, 10, 30, 30), (0.75, 0.0)), ((28, 28, 48, 48), (0.5, 0.0)), ((60, 60, 70, 70), (0.0, 0.25)))
    assert [one.score for one in interpret(rows, AS_IS, PICTURE, manifest, options)] == scores


def test_boxes_go_back_to_the_picture_that_was_sent_and_stay_inside(manifest: Manifest) -> None:
    picture = Picture(np.zeros((100, 200, 3), np.uint8), 800, 400)  # decoded at a quarter of its size
    _, placement = prepare(picture, manifest)
    found = interpret(outputs(((50, 25, 120, 60), (0.5, 0.0))), placement, picture, manifest)
    assert found[0].box_xyxy == (400, 200, 800, 400)


def test_nothing_found_is_an_empty_list(manifest: Manifest) -> None:
    assert interpret(outputs(((0, 0, 1, 1), (0.0, 0.0))), AS_IS, PICTURE, manifest) == []


def test_of_very_many_candidates_the_best_are_looked_at(manifest: Manifest) -> None:
    corners = np.stack(np.meshgrid(np.arange(0, 1000, 10), np.arange(0, 1000, 10)), -1).reshape(-1, 2)
    boxes = np.concatenate([corners, corners + 5], 1).astype(np.float32)
    scores = np.linspace(0.5, 0.9, len(boxes), dtype=np.float32)[:, None] * np.array([[1, 0]], np.float32)
    wide = Placement(1000, 1000, 0, 0, 1000, 1000, 0, 0, 1000, 1000)
    picture = Picture(np.zeros((1000, 1000, 3), np.uint8), 1000, 1000)
    found = interpret({"boxes": boxes, "scores": scores}, wide, picture, manifest, Options(max_detections=10))
    assert [one.score for one in found] == sorted(scores[:, 0].tolist())[::-1][:10]
