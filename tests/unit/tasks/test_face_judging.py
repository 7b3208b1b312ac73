"""Which finds are faces: one that the detector is hardly sure of must also look a little like a face."""

from collections.abc import Callable

import numpy as np
import pytest
from convoy.core.manifest import Manifest, Task, Thresholds
from convoy.core.pictures.decoding import Picture
from convoy.faces.alignment import REFERENCE_LANDMARKS
from convoy.faces.judging import Judged, judge_all
from convoy.faces.task import DetectedFace, Options

NOISE = np.random.default_rng(0).integers(0, 256, (200, 400, 3)).astype(np.uint8)
"""It looks like nobody's face."""


def find(score: float, left: float = 0.0) -> DetectedFace:
    points = (REFERENCE_LANDMARKS + np.array([left, 0])).astype(np.float32)
    return DetectedFace(np.array([left, 0, left + 112, 112], np.float32), points, score)


def judged(
    manifest_of: Callable[..., Manifest], options: Options, *found: DetectedFace, with_likeness: bool = True
) -> Judged:
    detector = manifest_of(Task.FACE_DETECTION, ["face"], Thresholds(detection=0.5, iou=0.4))
    return judge_all(Picture(NOISE, 400, 200), found, detector, options, with_likeness=with_likeness)


def test_what_is_hardly_found_and_looks_like_no_face_is_dropped(manifest_of: Callable[..., Manifest]) -> None:
    answer = judged(manifest_of, Options(), find(0.54), find(0.56, 150))
    assert [face.detected.score for face in answer.faces] == [0.56]
    assert answer.dropped == 1


@pytest.mark.parametrize(("options", "with_likeness"), [(Options(detection_threshold=0.5), True), (Options(), False)])
def test_a_named_threshold_and_no_second_opinion_drop_nothing(
    options: Options, with_likeness: bool, manifest_of: Callable[..., Manifest]
) -> None:
    answer = judged(manifest_of, options, find(0.51), with_likeness=with_likeness)
    assert (len(answer.faces), answer.dropped) == (1, 0)


def test_the_next_largest_face_takes_the_place_of_what_is_none(manifest_of: Callable[..., Manifest]) -> None:
    answer = judged(manifest_of, Options(largest_only=True), find(0.51), find(0.9, 100), find(0.9, 200))
    assert [float(face.detected.box_xyxy[0]) for face in answer.faces] == [100]
    assert answer.dropped == 1


def test_no_more_than_wanted_are_judged(manifest_of: Callable[..., Manifest]) -> None:
    answer = judged(manifest_of, Options(max_faces=2), find(0.9), find(0.9, 100), find(0.9, 200))
    assert len(answer.faces) == 2
