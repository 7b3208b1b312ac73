"""Labels follow their pixels."""

import numpy as np
import pytest
import torch
from convoy_training.augment.mosaic import draw_mosaic, draw_single
from convoy_training.augment.scene import change_light, crop_and_scale
from convoy_training.augment.shift import cut_out, pad, shift_and_mirror
from convoy_training.augment.window import Window
from convoy_training.structures import Scene

BOTH = (True, True)


def blue_square(x: int, y: int, side: int) -> Scene:
    image = np.zeros((120, 160, 3), np.uint8)
    image[y : y + side, x : x + side, 2] = 255
    return Scene(image, np.array([[x, y, x + side, y + side]], np.float32), np.array([1]))


def blue_extent(image: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero((image[..., 2] > 127) & (image[..., 0] < 64))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("size", [96, 192])
@pytest.mark.parametrize("seed", range(8))
def test_a_box_follows_its_object(seed: int, size: int) -> None:
    drawn = draw_single(blue_square(70, 50, 20), size, (0.8, 1.3), BOTH, np.random.default_rng(seed))
    assert drawn.image_rgb.shape == (size, size, 3) and drawn.labels.tolist() == [1]
    np.testing.assert_allclose(drawn.boxes_xyxy[0], blue_extent(drawn.image_rgb), atol=1.01)


@pytest.mark.parametrize("seed", range(6))
def test_a_mosaic_keeps_boxes_on_their_objects(seed: int) -> None:
    examples = [blue_square(x, y, 24) for x, y in ((30, 20), (100, 20), (30, 80), (100, 80))]
    drawn = draw_mosaic(examples, 160, (0.8, 1.2), BOTH, np.random.default_rng(seed))
    blue = (drawn.image_rgb[..., 2] > 127) & (drawn.image_rgb[..., 0] < 64)
    for x0, y0, x1, y1 in drawn.boxes_xyxy.round().astype(int):
        assert blue[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].all()
    assert len(drawn.boxes_xyxy) == len(drawn.labels) <= 4


@pytest.mark.parametrize("seed", range(8))
def test_a_mask_moves_with_its_image(seed: int) -> None:
    mask = np.random.default_rng(0).integers(0, 2, (12, 16)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    image = np.where(mask[..., None] == 1, 255, 0).astype(np.uint8).repeat(3, 2)
    image, mask = crop_and_scale(image, mask, (64, 64), (0.7, 1.4), True, 11, np.random.default_rng(seed))
    known = mask != 11
    agree = (image[..., 0][known] > 127) == (mask[known] == 1)
    assert agree.mean() > 0.93 and known.mean() > 0.5


@pytest.mark.parametrize("sides", [(True, False), (False, True), (False, False)])
def test_sides_that_must_not_be_exchanged_stay(sides: tuple[bool, bool]) -> None:
    image = np.zeros((60, 60, 3), np.uint8)
    image[:30, :30] = (0, 0, 255)
    scene = Scene(image, np.array([[0, 0, 30, 30]], np.float32), np.array([0]))
    corners = set()
    for seed in range(24):
        random = np.random.default_rng(seed)
        for drawn in (
            draw_single(scene, 60, (1.0, 1.0), sides, random).boxes_xyxy[0] / 60,
            Window(image, np.array([0, 0, 0.5, 0.5]), 0).flip(sides, random).box_xyxy,
        ):
            corners.add((bool(drawn[0] > 0.25), bool(drawn[1] > 0.25)))
    assert corners == {(x, y) for x in (False, sides[0]) for y in (False, sides[1])}


def test_a_large_picture_is_averaged_not_sampled() -> None:
    image = (np.indices((1200, 1600)).sum(0) % 4 < 2).astype(np.uint8)[..., None].repeat(3, 2) * 255
    scene = Scene(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    drawn = draw_single(scene, 200, (1.0, 1.0), (False, False), np.random.default_rng(0)).image_rgb
    assert np.abs(drawn[60:140, 10:190].astype(int) - 127).max() < 20


def test_a_frame_is_mirrored_only_where_that_is_wanted() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :16] = 255
    mask = (image[..., 0] > 0).astype(np.uint8)
    for mirror, lefts in ((True, {0, 1}), (False, {1})):
        drawn = [
            crop_and_scale(image, mask, (32, 32), (1.0, 1.0), mirror, 11, np.random.default_rng(n)) for n in range(16)
        ]
        assert {int(labels[16, 2]) for _, labels in drawn} == lefts


def test_light_changes_each_picture_and_stays_in_the_range() -> None:
    image = np.full((4, 4, 3), 120, np.uint8)
    image[:2] = 30
    batch = np.zeros((2, 4, 4, 3), np.uint8)
    random = np.random.default_rng(0)
    for row in batch:
        assert change_light(image, 0.4, random, row).base is batch or np.shares_memory(row, batch)
    assert batch.any() and not np.array_equal(batch[0], batch[1])
    assert np.array_equal(change_light(image, 0.0, random), image)
    white = np.full((4, 4, 3), 255, np.uint8)
    assert change_light(white, 0.9, np.random.default_rng(3)).dtype == np.uint8


def test_light_is_what_the_four_changes_give_one_after_the_other() -> None:
    image = np.random.default_rng(5).integers(60, 160, (8, 8, 3)).astype(np.uint8)
    drawn = np.random.default_rng(7)
    contrast, brightness, saturation = drawn.uniform(0.7, 1.3, 3)
    tint = drawn.uniform(0.925, 1.075, (3, 1))[:, 0]
    x = image.astype(float)
    x = (x - x.mean()) * contrast + x.mean() * brightness
    grey = x.mean(2, keepdims=True)
    lift = (brightness - contrast) * image.mean()
    x = ((x - lift) * saturation + (1 - saturation) * (grey - lift) + lift) * tint
    assert np.abs(change_light(image, 0.3, np.random.default_rng(7)).astype(float) - x.clip(0, 255)).max() <= 1.5


def test_shifted_images_are_windows_of_the_original() -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (6, 8, 8, 3), dtype=torch.uint8)
    padded = pad(images, 2)
    assert torch.equal(padded[:, 2:-2, 2:-2], images)
    mirror = torch.tensor([True, False] * 3)
    for i, drawn in enumerate(shift_and_mirror(padded, mirror, 2)):
        candidate = drawn.flip(1) if mirror[i] else drawn
        windows = [padded[i, y : y + 8, x : x + 8] for y in range(5) for x in range(5)]
        assert any(torch.equal(candidate, window) for window in windows)


def test_cut_out_greys_one_square() -> None:
    torch.manual_seed(0)
    drawn = cut_out(torch.zeros(20, 32, 32, 3, dtype=torch.uint8), 8)
    grey = (drawn == 128).all(-1).sum((1, 2))
    assert (grey > 0).all() and (grey <= 81).all() and set(drawn.unique().tolist()) == {0, 128}
