"""Augmented faces: boxes and landmarks stay where the pixels are."""

import cv2
import numpy as np
import pytest
import simplejpeg
from convoy.faces.alignment import REFERENCE_LANDMARKS
from convoy_training.augment import face as augment
from convoy_training.augment import face_scene
from convoy_training.data.face_pictures import Picture
from convoy_training.data.photo import open_photo
from convoy_training.data.wider import CLOSE_UP_BOX, estimate_box

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]


def draw_picture(landmarks: np.ndarray, box: np.ndarray) -> Picture:
    """A black picture with a coloured dot on each landmark."""
    image = np.zeros((300, 400, 3), np.uint8)
    for point, colour in zip(landmarks, COLOURS, strict=True):
        cv2.circle(image, tuple(int(v) for v in point), 7, colour, -1)
    jpeg = simplejpeg.encode_jpeg(image, quality=100, colorsubsampling="444")
    boxes, points = box[None].astype(np.float32), landmarks[None].astype(np.float32)
    return Picture(open_photo({"dots": jpeg}, "dots"), boxes, points, np.zeros(1, bool))


FACE = np.array([[150.0, 120.0], [230.0, 120.0], [190.0, 160.0], [160.0, 200.0], [220.0, 200.0]])
PICTURE = draw_picture(FACE, np.array([120.0, 80.0, 260.0, 240.0]))


@pytest.mark.parametrize("seed", range(12))
def test_landmarks_lie_on_their_dots_and_sides_swap_with_the_mirror(seed: int) -> None:
    scene = face_scene.cut_around_face(PICTURE, 320, (70, 220), np.random.default_rng(seed))
    points = scene.landmarks[0]
    seen = [scene.image_rgb[int(y), int(x)].astype(int) for x, y in points]
    order = [int(np.abs(np.array(COLOURS) - colour).sum(axis=1).argmin()) for colour in seen]
    assert order in ([0, 1, 2, 3, 4], face_scene.MIRRORED)
    assert points[0, 0] < points[1, 0] and points[3, 0] < points[4, 0]


@pytest.mark.parametrize("seed", range(12))
def test_the_chosen_face_lies_on_the_canvas(seed: int) -> None:
    scene = face_scene.cut_around_face(PICTURE, 320, (30, 150), np.random.default_rng(seed))
    box = scene.boxes_xyxy[0]
    assert (box >= 0).all() and (box <= 320).all() and not scene.ignored[0]
    centre = scene.landmarks[0].mean(axis=0)
    assert (box[:2] < centre).all() and (centre < box[2:]).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_face_that_is_turned_far_takes_its_landmarks_along(seed: int) -> None:
    scene = face_scene.cut_around_face(PICTURE, 320, (70, 220), np.random.default_rng(seed), turn_deg=30)
    seen = [scene.image_rgb[int(y), int(x)].astype(int) for x, y in scene.landmarks[0]]
    order = [int(np.abs(np.array(COLOURS) - colour).sum(axis=1).argmin()) for colour in seen]
    assert order in ([0, 1, 2, 3, 4], face_scene.MIRRORED)


def test_faces_turn_further_where_the_recipe_says_so() -> None:
    def turns(turn_deg: float) -> np.ndarray:
        scenes = [
            face_scene.cut_around_face(PICTURE, 320, (70, 220), np.random.default_rng(seed), turn_deg)
            for seed in range(40)
        ]
        left, right = (np.stack([scene.landmarks[0][eye] for scene in scenes]) for eye in (0, 1))
        return np.degrees(np.arctan2(*(right - left).T[::-1]))

    assert np.abs(turns(0)).max() < 0.1
    assert np.abs(turns(6)).max() <= 20 < np.abs(turns(20)).max()


def test_a_large_picture_may_be_shown_whole() -> None:
    files = {"dots": simplejpeg.encode_jpeg(np.full((1500, 2000, 3), 9, np.uint8))}
    box, points = np.array([[200, 200, 1800, 1400]], np.float32), FACE[None].astype(np.float32)
    large = Picture(open_photo(files, "dots"), box, points, np.zeros(1, bool))
    scene = face_scene.cut_around_face(large, 320, (40, 50), np.random.default_rng(0))
    assert np.ptp(scene.boxes_xyxy[0, ::2]) == pytest.approx(1600 * 320 / 2000, abs=1)


def test_a_mosaic_keeps_each_face_in_its_window() -> None:
    random = np.random.default_rng(0)
    windows = [(0, 0, 200, 120), (200, 0, 320, 120), (0, 120, 200, 320), (200, 120, 320, 320)]
    scenes = [face_scene.show_close_up(PICTURE, max(w[2] - w[0], w[3] - w[1]), (40, 90), random) for w in windows]
    merged = face_scene.merge_quarters(scenes, windows, 320)
    assert merged.image_rgb.shape == (320, 320, 3)
    inside = [any((box[:2] >= w[:2]).all() and (box[2:] <= w[2:]).all() for w in windows) for box in merged.boxes_xyxy]
    assert len(inside) >= 2 and all(inside)


def test_tiny_and_mostly_cut_faces_are_ignored() -> None:
    boxes = np.array([[10, 10, 14, 14], [-90, 10, 30, 100], [20, 20, 60, 60], [-200, 0, -100, 50]], np.float32)
    scene = face_scene.Scene(np.zeros((96, 96, 3), np.uint8), boxes, np.zeros((4, 5, 2), np.float32), np.zeros(4, bool))
    clipped = face_scene._clip(scene, (0, 0, 96, 96))
    assert clipped.ignored.tolist() == [True, True, False]
    np.testing.assert_array_equal(clipped.boxes_xyxy[1], [0, 10, 30, 96])


def test_an_estimated_box_scales_with_the_face() -> None:
    expected = np.concatenate([CLOSE_UP_BOX[:2] - CLOSE_UP_BOX[2:] / 2, CLOSE_UP_BOX[:2] + CLOSE_UP_BOX[2:] / 2])
    np.testing.assert_allclose(estimate_box(REFERENCE_LANDMARKS * 3 + 20), expected * 3 + 20, atol=1e-2)


@pytest.mark.parametrize("change", [change for _, change in augment.DEGRADATIONS])
def test_every_degradation_keeps_shape_and_type_and_changes_something(change: object) -> None:
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (112, 112, 3), np.uint8)
    changed = change(image, random)  # type: ignore[operator]
    assert changed.shape == image.shape and changed.dtype == np.uint8
    assert (changed != image).any()


def test_degradations_of_the_same_seed_are_the_same() -> None:
    image = np.random.default_rng(1).integers(0, 256, (112, 112, 3), np.uint8)
    one, other = (augment.degrade(image, np.random.default_rng(5), 1.0) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_a_jittered_crop_shows_the_middle() -> None:
    crop = np.zeros((140, 140, 3), np.uint8)
    crop[60:80, 60:80] = 255
    for seed in range(5):
        image = augment.jitter_crop(crop, 112, np.random.default_rng(seed))
        rows, columns = np.nonzero(image[..., 0] > 128)
        assert image.shape == (112, 112, 3)
        assert abs(rows.mean() - 55.5) < 8 and abs(columns.mean() - 55.5) < 8
