"""What makes a detector's batches fast changes no pixel by more than is said here, and decodes no picture twice."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from convoy_training.augment.mosaic import draw_mosaic, draw_single
from convoy_training.data.boxes import Example, Split
from convoy_training.data.photo import Photo
from convoy_training.detecting.config import Config
from convoy_training.structures import Places, Scene
from convoy_training.task import make
from convoy_training.tasks.detection import Batches
from numpy.typing import NDArray

MEAN_DIFFERENCE, LARGEST_DIFFERENCE = 0.6, 8
"""Of values from 0 to 255, between the drawn pixels and an affine warp in one step."""


def smooth_scene(width: int, height: int) -> Scene:
    """A picture without hard edges, and a point every 8 pixels; of each object the box is the whole picture."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(4, width, 8), np.arange(4, height, 8))
    points = np.stack([x, y, np.full_like(x, 2)], -1).reshape(1, -1, 3).astype(np.float32)
    box = np.array([[0, 0, width, height]], np.float32)
    return Scene(image, box, np.array([0]), places=Places(points, tuple(range(points.shape[1]))))


def warp(scene: Scene, made: Scene, size: int) -> NDArray[np.uint8]:
    """The slow way: the picture warped as its points have moved, which are what training learns from."""
    assert scene.places and made.places
    seen = made.places.points[0, :, 2] > 0
    old, new = (one.points[0, seen, :2].astype(float) for one in (scene.places, made.places))
    matrix = np.linalg.lstsq(np.column_stack([old, np.ones(len(old))]), new, rcond=None)[0].T
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # points count from edges, warpAffine from centres
    return cv2.warpAffine(scene.image_rgb, matrix, (size, size), flags=cv2.INTER_LINEAR)  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize(("width", "height"), [(320, 240), (207, 311), (1000, 750)])
def test_a_drawn_picture_is_what_an_affine_warp_gives(seed: int, width: int, height: int) -> None:
    scene = smooth_scene(width, height)
    made = draw_single(scene, 256, (0.7, 1.5), (True, True), np.random.default_rng(seed))
    x0, y0, x1, y1 = (made.boxes_xyxy[0].round().astype(int) + np.array([2, 2, -2, -2])).tolist()
    slow = warp(scene, made, 256)[y0:y1, x0:x1].astype(int)
    apart = np.abs(made.image_rgb[y0:y1, x0:x1] - slow)
    assert apart.mean() <= MEAN_DIFFERENCE and apart.max() <= LARGEST_DIFFERENCE
    outside = np.ones((256, 256), bool)
    outside[max(0, y0 - 3) : y1 + 3, max(0, x0 - 3) : x1 + 3] = False
    assert (made.image_rgb[outside] == 114).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 2000), (2000, 3), (5, 7), (3000, 2000)])
@pytest.mark.parametrize("seed", range(4))
def test_pictures_of_any_shape_are_drawn(seed: int, shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 200, np.uint8)
    scene = Scene(image, np.array([[0, 0, shape[1], shape[0]]], np.float32), np.array([0]))
    random = np.random.default_rng(seed)
    for made in (draw_single(scene, 64, (0.5, 1.5), (True, True), random),
                 draw_mosaic([scene] * 4, 64, (0.5, 1.5), (True, True), random)):  # fmt: skip
        assert set(np.unique(made.image_rgb)) <= {114, 200} and (made.image_rgb == 200).any()
        assert (made.boxes_xyxy >= 0).all() and (made.boxes_xyxy <= 64).all()


def split_of(count: int, width: int = 96, height: int = 72) -> Split:
    random = np.random.default_rng(0)
    pictures = (random.integers(0, 255, (height, width, 3), dtype=np.uint8) for _ in range(count))
    files = {f"{n}.jpg": cv2.imencode(".jpg", picture)[1].tobytes() for n, picture in enumerate(pictures)}
    box, label = np.array([[10, 10, 60, 50]], np.float32), np.array([0])
    return Split([Example(Photo(files, name, width, height), box, label) for name in files], ("thing",))


def recipe(**fields: Any) -> Config:
    shared: dict[str, Any] = {"name": "feed", "task": "detection", "epochs": 99, "batch_size": 4, "mosaic": 1.0}
    shared |= {"optimizer": {"lr": 0.1}, "input_size": 64, "data": {"path": "none", "title": "none"}}
    return Config.model_validate(shared | fields)


def draw_epoch(batches: Batches) -> list[tuple[torch.Tensor, ...]]:
    torch.manual_seed(0)
    return [make(batch) for batch in batches(0)]


def test_an_epoch_of_mosaics_decodes_no_picture_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    decode = Photo.decode
    monkeypatch.setattr(Photo, "decode", lambda photo, *how: (decoded.append(photo.name), decode(photo, *how))[1])
    batches = Batches(split_of(40), recipe())
    monkeypatch.setattr("convoy_training.detecting.batches.DECODERS", InTurn())
    draw_epoch(batches)
    assert sorted(decoded) == sorted(f"{n}.jpg" for n in range(40))


class InTurn:
    """Threads that open one picture at the same moment may decode it twice; here nothing is done at the same moment."""

    map = staticmethod(map)


def test_what_is_kept_decoded_changes_no_batch() -> None:
    split, config = split_of(30), recipe()
    kept, forgetful = Batches(split, config), Batches(split, config)
    forgetful.recent = type(kept.recent)(forgetful._open, 0)
    for one, other in zip(draw_epoch(kept), draw_epoch(forgetful), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_mosaic_takes_its_parts_from_what_was_shown_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convoy_training.detecting.recent.ROOM_BYTES", 0)
    batches = Batches(split_of(40), recipe())
    assert batches.near == 8  # two batches, whatever the room
    opened: list[int] = []
    monkeypatch.setattr(batches.recent, "_open", lambda row: (opened.append(row), batches._open(row))[1])
    monkeypatch.setattr("convoy_training.detecting.batches.DECODERS", InTurn())
    draw_epoch(batches)
    assert len(opened) == len(set(opened)) == 40  # in their order, none comes back after it has left


def test_a_large_picture_is_kept_no_larger_than_it_is_drawn() -> None:
    batches = Batches(split_of(2, 1000, 750), recipe(batch_size=2))
    scene = batches._open(0)
    assert scene.image_rgb.shape == (94, 125, 3)  # drawn at 64 pixels, times 1.5 at most; 62 would be too few
    np.testing.assert_allclose(scene.boxes_xyxy, [[1.25, 1.25, 7.5, 6.25]], atol=0.05)
