"""The second look, at a thumbnail: when it is taken, where it lies, and how it joins the first."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from convoy.core.manifest import InputSpec, Manifest, Task, Thresholds
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement
from convoy.faces import looks
from convoy.faces.alignment import REFERENCE_LANDMARKS
from convoy.faces.looks import THUMBNAIL_PX, Place, merge_looks, take_looks
from convoy.faces.task import Options
from convoy.faces.turning import Turn

Box = tuple[float, float, float, float]
SIDE_PX = 640
AS_IS = Placement(SIDE_PX, SIDE_PX, 0, 0, SIDE_PX, SIDE_PX, 0, 0, SIDE_PX, SIDE_PX)
REDUCED = replace(AS_IS, width=128, height=128, canvas_width=128, canvas_height=128)


@pytest.fixture
def manifest(manifest_of: Callable[..., Manifest]) -> Manifest:
    made = manifest_of(Task.FACE_DETECTION, ["face"], Thresholds(detection=0.5, iou=0.4))
    spec = InputSpec(height=None, width=None, stride=32, long_side=SIDE_PX, resize="letterbox", pad_value=114)
    return made.model_copy(update={"input": spec})


def picture(width: int, height: int) -> Picture:
    return Picture(np.zeros((height, width, 3), np.uint8), width, height)


def outputs(*rows: tuple[Box, float], scale: float = 1.0) -> dict[str, np.ndarray]:
    boxes = np.array([box for box, _ in rows], np.float32).reshape(-1, 4) * scale
    landmarks = np.repeat(boxes[:, None, :2], 5, axis=1)
    return {
        "boxes": boxes,
        "scores": np.array([[s] for _, s in rows], np.float32).reshape(-1, 1),
        "landmarks": landmarks,
    }


def merged(
    manifest: Manifest,
    first: list[tuple[Box, float]],
    second: list[tuple[Box, float]],
    detection_threshold: float | None = None,
) -> list[list[float]]:
    both, places = [outputs(*first), outputs(*second, scale=0.2)], [Place(AS_IS), Place(REDUCED, is_thumbnail=True)]
    options = Options(detection_threshold)
    faces = merge_looks(both, places, picture(SIDE_PX, SIDE_PX), manifest, options)
    return [np.round(face.box_xyxy).tolist() for face in faces]


def test_a_large_picture_is_looked_at_twice(manifest: Manifest) -> None:
    whole, thumbnail = take_looks(picture(960, 1280), manifest, Options())
    assert whole.canvas.shape == (640, 480, 3)
    assert thumbnail.canvas.shape == (THUMBNAIL_PX, 96, 3)
    corners = np.array([[0, 0], [thumbnail.place.placement.width, thumbnail.place.placement.height]], np.float32)
    assert thumbnail.place.placement.to_source(corners).tolist() == [[0, 0], [960, 1280]]


def test_a_small_picture_is_looked_at_once(manifest: Manifest) -> None:
    assert len(take_looks(picture(250, 250), manifest, Options())) == 1


def test_a_detector_of_one_size_looks_once(manifest: Manifest) -> None:
    fixed = InputSpec(height=320, width=320, resize="letterbox", pad_value=114)
    assert len(take_looks(picture(960, 1280), manifest.model_copy(update={"input": fixed}), Options())) == 1


def test_the_whole_face_takes_the_place_of_its_mouth_and_eye(manifest: Manifest) -> None:
    parts: list[tuple[Box, float]] = [((200, 400, 400, 560), 0.9), ((120, 150, 260, 280), 0.95)]
    assert merged(manifest, parts, [((60, 20, 580, 620), 0.6)]) == [[60, 20, 580, 620]]


def test_a_close_up_that_is_hardly_a_face_replaces_nobody_surer(manifest: Manifest) -> None:
    group: list[tuple[Box, float]] = [((200, 400, 280, 500), 0.9), ((120, 150, 200, 240), 0.6)]
    hardly = [((60, 20, 580, 620), 0.05)]
    assert merged(manifest, group, hardly, detection_threshold=0.02) == [
        [200, 400, 280, 500],
        [120, 150, 200, 240],
    ]


def test_a_close_up_that_is_hardly_a_face_stands_where_nobody_else_does(manifest: Manifest) -> None:
    hardly = [((60, 20, 580, 620), 0.05)]
    assert merged(manifest, [], hardly, detection_threshold=0.02) == [[60, 20, 580, 620]]


def test_who_stands_beside_a_large_face_stays(manifest: Manifest) -> None:
    beside: list[tuple[Box, float]] = [((10, 10, 60, 70), 0.9)]
    found = merged(manifest, beside, [((200, 100, 600, 600), 0.8)])
    assert found == [[200, 100, 600, 600], [10, 10, 60, 70]]


def test_small_faces_are_left_to_the_first_look(manifest: Manifest) -> None:
    assert merged(
        manifest, [((100, 100, 200, 220), 0.9)], [((90, 90, 210, 230), 0.9), ((300, 300, 400, 400), 0.9)]
    ) == [[100, 100, 200, 220]]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_face_found_in_a_turned_picture_lies_where_its_pixels_lie(manifest: Manifest, degrees: int) -> None:
    """Where a pixel goes says NumPy's own rotation."""
    pixels = np.zeros((640, 480, 3), np.uint8)
    pixels[100, 50] = 255
    tall = Picture(pixels, 480, 640)
    taken = take_looks(tall, manifest, Options(any_angle=True))
    assert [look.place.turn.degrees for look in taken] == [45 * (i // 2) for i in range(16)]
    number, look = next((i, one) for i, one in enumerate(taken) if one.place.turn.degrees == degrees)
    row, column, _ = np.argwhere(look.canvas == 255)[0].tolist()
    seen = [outputs() for _ in taken]
    seen[number] = outputs(((column - 20, row - 10, column + 21, row + 11), 0.9))
    seen[number]["landmarks"][:] = (column + 0.5, row + 0.5)
    [face] = merge_looks(seen, [one.place for one in taken], tall, manifest, Options())
    assert face.landmarks_xy.tolist() == [[50.5, 100.5]] * 5
    width, height = (face.box_xyxy[2:] - face.box_xyxy[:2]).tolist()
    assert (width, height) == ((41, 21) if degrees == 180 else (21, 41))


def test_of_a_face_at_two_angles_the_surer_stays(manifest: Manifest) -> None:
    middle = (SIDE_PX / 2, SIDE_PX / 2)
    turned = Place(AS_IS, turn=Turn(180, 1.0, middle, middle))
    both = [outputs(((100, 100, 200, 200), 0.6)), outputs(((440, 440, 540, 540), 0.9), ((0, 0, 50, 50), 0.6))]
    found = merge_looks(both, [Place(AS_IS), turned], picture(SIDE_PX, SIDE_PX), manifest, Options())
    assert [(face.box_xyxy.tolist(), round(face.score, 1)) for face in found] == [
        ([100, 100, 200, 200], 0.9),
        ([590, 590, 640, 640], 0.6),
    ]


@pytest.mark.parametrize(("with_likeness", "kept"), [(True, [0.8]), (False, [0.9, 0.7])])
def test_a_face_on_its_head_that_passes_for_two_upright_ones_is_one(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch, with_likeness: bool, kept: list[float]
) -> None:
    """Upright, the detector takes the forehead and the chin for faces; turned, it finds the face less surely."""
    monkeypatch.setattr(looks, "measure_likeness", lambda crop: 0.9 if crop.any() else 0.3)
    middle = (SIDE_PX / 2, SIDE_PX / 2)
    turned = Place(AS_IS, turn=Turn(180, 1.0, middle, middle))
    forehead, chin, face = (100, 300, 400, 500), (150, 80, 350, 290), (240, 180, 540, 540)
    upright, on_its_head = outputs((forehead, 0.9), (chin, 0.7)), outputs((face, 0.8))
    for seen in (upright, on_its_head):
        seen["landmarks"] = seen["boxes"][:, None, :2] + 20 * REFERENCE_LANDMARKS / 112
    shown = picture(SIDE_PX, SIDE_PX)
    # Only what is cut by the turned look's landmarks looks like a face: those lie where the picture is white.
    shown.image_rgb[420:470, 360:410] = 255
    found = merge_looks([upright, on_its_head], [Place(AS_IS), turned], shown, manifest, Options(), with_likeness)
    assert sorted((round(one.score, 1) for one in found), reverse=True) == kept


@pytest.mark.parametrize(("side", "whose"), [(240, "first"), (400, "second")])
def test_of_one_face_seen_twice_the_look_that_it_suits_is_believed(manifest: Manifest, side: int, whose: str) -> None:
    first, second = (100.0, 100.0, 100.0 + side, 100.0 + side), (110.0, 110.0, 110.0 + side, 110.0 + side)
    expected = first if whose == "first" else second
    assert merged(manifest, [(first, 0.9)], [(second, 0.6)]) == [list(expected)]
