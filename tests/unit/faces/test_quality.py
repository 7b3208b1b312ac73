"""Quality: each part falls with what it measures, and one bad part makes a bad face."""

import cv2
import numpy as np
from convoy.faces.alignment import REFERENCE_LANDMARKS
from convoy.faces.quality import assess_quality, measure_frontality
from hypothesis import given
from hypothesis import strategies as st


def make_face() -> np.ndarray:
    """Light and shade on every scale, as in a photograph: a head before a wall, features, fine grain."""
    random = np.random.default_rng(3)
    image = sum(
        weight * cv2.resize(random.normal(size=(cells, cells)).astype(np.float32), (112, 112))
        for cells, weight in ((4, 30), (14, 20), (56, 12))
    )
    return np.clip(np.stack([125 + image] * 3, axis=2), 0, 255).astype(np.uint8)


def test_a_good_face_is_good() -> None:
    quality = assess_quality(make_face(), REFERENCE_LANDMARKS, 0.95)
    assert quality.score > 0.9


def test_blur_costs_sharpness() -> None:
    face = make_face()
    scores = [
        assess_quality(cv2.GaussianBlur(face, (0, 0), sigma), REFERENCE_LANDMARKS, 0.9).sharpness
        for sigma in (0.5, 1.5, 3.0, 6.0)
    ]
    assert scores == sorted(scores, reverse=True) and scores[0] - scores[-1] > 0.5


def test_few_pixels_cost_size() -> None:
    sizes = [assess_quality(make_face(), REFERENCE_LANDMARKS * scale, 0.9).size for scale in (2.0, 1.0, 0.5, 0.25, 0.1)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 1.0 and sizes[-1] == 0.0


def test_darkness_glare_and_flatness_cost_exposure() -> None:
    face = make_face()
    good = assess_quality(face, REFERENCE_LANDMARKS, 0.9).exposure
    for bad in (face // 10, 255 - face // 10, np.full_like(face, 120)):
        assert assess_quality(bad, REFERENCE_LANDMARKS, 0.9).exposure < good / 2


def turn(degrees_yaw: float) -> np.ndarray:
    """The reference face on a cylinder, turned to the side; the nose stands out."""
    angle = np.radians(degrees_yaw)
    points = REFERENCE_LANDMARKS - REFERENCE_LANDMARKS.mean(axis=0)
    depth = np.array([0.0, 0.0, 22.0, 4.0, 4.0])
    across = points[:, 0] * np.cos(angle) + depth * np.sin(angle)
    return np.column_stack([across, points[:, 1]])


def test_turning_away_costs_frontality_on_both_sides() -> None:
    for side in (1, -1):
        values = [measure_frontality(turn(side * degrees)) for degrees in (0, 30, 50, 80)]
        assert values == sorted(values, reverse=True) and values[0] > 0.9 and values[-1] == 0.0


@given(degrees=st.floats(-180, 180), scale=st.floats(0.3, 30))
def test_frontality_does_not_care_for_roll_and_size(degrees: float, scale: float) -> None:
    angle = np.radians(degrees)
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(measure_frontality(turn(25) @ rotation.T), measure_frontality(turn(25)), atol=1e-6)


@given(points=st.lists(st.floats(-1e4, 1e4), min_size=10, max_size=10), score=st.floats(0, 1), fill=st.integers(0, 255))
def test_every_part_of_any_face_is_between_0_and_1(points: list[float], score: float, fill: int) -> None:
    landmarks = np.array(points, np.float32).reshape(5, 2)
    quality = assess_quality(np.full((112, 112, 3), fill, np.uint8), landmarks, score)
    parts = (quality.score, quality.size, quality.sharpness, quality.exposure, quality.frontality)
    assert all(0.0 <= part <= 1.0 for part in parts)


def test_one_bad_part_makes_a_bad_face() -> None:
    assert assess_quality(make_face(), REFERENCE_LANDMARKS * 0.1, 0.95).score < 0.2
    assert assess_quality(make_face(), turn(80), 0.95).score < 0.2
