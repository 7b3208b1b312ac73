"""Alignment: known transforms come back, and the crop shows what lies under the landmarks."""

import cv2
import numpy as np
import pytest
from convoy.faces.alignment import (
    REFERENCE_LANDMARKS,
    DegenerateLandmarksError,
    align_face,
    estimate_similarity,
)
from hypothesis import given
from hypothesis import strategies as st


def make_similarity(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([rotation, [x, y]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@given(scale=st.floats(0.05, 20), degrees=st.floats(-180, 180), x=st.floats(-2000, 2000), y=st.floats(-2000, 2000))
def test_a_known_similarity_is_found_again(scale: float, degrees: float, x: float, y: float) -> None:
    known = make_similarity(scale, degrees, x, y)
    found = estimate_similarity(REFERENCE_LANDMARKS, apply(known, REFERENCE_LANDMARKS))
    np.testing.assert_allclose(apply(found, REFERENCE_LANDMARKS), apply(known, REFERENCE_LANDMARKS), atol=1e-2)
    np.testing.assert_allclose(found[:, :2], known[:, :2], atol=1e-3 * max(1, scale))


@given(seed=st.integers(0, 2**32 - 1))
def test_no_nearby_similarity_fits_noisy_points_better(seed: int) -> None:
    random = np.random.default_rng(seed)
    source = REFERENCE_LANDMARKS + random.normal(0, 5, (5, 2))
    found = estimate_similarity(source, REFERENCE_LANDMARKS).astype(np.float64)

    def error(matrix: np.ndarray) -> float:
        return float(((apply(matrix, source) - REFERENCE_LANDMARKS) ** 2).sum())

    turn, stretch = make_similarity(1, 0.5, 0, 0)[:, :2], 1.01
    others = [found + np.array(shift) for shift in ([[0, 0, 0.3], [0, 0, 0]], [[0, 0, 0], [0, 0, 0.3]])]
    centre = REFERENCE_LANDMARKS.mean(axis=0)
    others += [np.column_stack([m @ found[:, :2], m @ (found[:, 2] - centre) + centre]) for m in (turn, turn.T)]
    others += [np.column_stack([s * found[:, :2], s * (found[:, 2] - centre) + centre]) for s in (stretch, 1 / stretch)]
    assert all(error(found) <= error(other) + 1e-3 for other in others)


def test_mirrored_points_are_fitted_without_a_reflection() -> None:
    found = estimate_similarity(REFERENCE_LANDMARKS * [-1, 1], REFERENCE_LANDMARKS)
    assert np.linalg.det(found[:, :2]) > 0


@pytest.mark.parametrize("points", [np.ones((5, 2)), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_landmarks_that_nothing_fits_are_refused(points: np.ndarray) -> None:
    with pytest.raises(DegenerateLandmarksError):
        estimate_similarity(points, REFERENCE_LANDMARKS)


@pytest.mark.parametrize("scale", [0.6, 1.0, 3.0, 9.0])
@pytest.mark.parametrize("degrees", [0, -35, 170])
def test_a_face_of_any_size_and_turn_lands_on_the_reference(scale: float, degrees: float) -> None:
    placed = make_similarity(scale, degrees, 900, 900)
    landmarks = apply(placed, REFERENCE_LANDMARKS - 56)
    image = np.zeros((1800, 1800, 3), np.uint8)
    for point, colour in zip(landmarks, np.eye(5, 3) * 255, strict=True):
        centre = tuple(round(16 * v) for v in point)
        cv2.circle(image, centre, round(16 * max(2, 4 * scale)), colour.tolist(), -1, cv2.LINE_AA, shift=4)
    aligned = align_face(image, landmarks.astype(np.float32))
    assert aligned.shape == (112, 112, 3)
    rows, columns = np.mgrid[:112, :112]
    for channel in range(3):
        weight = aligned[..., channel] / aligned[..., channel].sum()
        centre = [(columns * weight).sum(), (rows * weight).sum()]
        np.testing.assert_allclose(centre, REFERENCE_LANDMARKS[channel], atol=0.6)


def test_a_fine_pattern_on_a_large_face_is_averaged_not_aliased() -> None:
    image = np.zeros((1200, 1200, 3), np.uint8)
    image[::2] = 255
    landmarks = (REFERENCE_LANDMARKS - 56) * 8 + 600
    aligned = align_face(image, landmarks)
    assert np.abs(aligned[8:-8, 8:-8].astype(int) - 127).max() <= 8


def test_a_face_over_the_border_is_black_outside() -> None:
    image = np.full((200, 200, 3), 200, np.uint8)
    aligned = align_face(image, REFERENCE_LANDMARKS - [56, 0])
    assert (aligned[:, :55] == 0).all() and (aligned[:, 57:] == 200).all()
