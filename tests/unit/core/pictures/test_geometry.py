"""Overlaps of boxes, and the way back from the graph's frame to the frame of the picture that was sent."""

import numpy as np
import pytest
import torch
from convoy.core.manifest import InputSpec
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.geometry import boxes_to_picture, compute_iou, points_to_picture
from convoy.core.pictures.resizing import Placement, place
from convoy_training.losses.detection import compute_iou as compute_iou_in_torch

WIDE = Picture(np.zeros((50, 100, 3), np.uint8), 400, 200)
"""Decoded at a quarter of its size."""


def floats(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_iou_by_hand() -> None:
    others = floats((0, 0, 2, 2), (1, 1, 3, 3), (2, 0, 4, 2), (0, 0, 2, 1), (0.5, 0.5, 1.5, 1.5))
    assert compute_iou(floats((0, 0, 2, 2))[0], others) == pytest.approx([1, 1 / 7, 0, 0.5, 0.25])


def test_boxes_without_an_area_overlap_nothing() -> None:
    point = floats((1, 1, 1, 1))
    assert compute_iou(point[0], np.concatenate([point, floats((0, 0, 2, 2))])).tolist() == [0, 0]


def test_iou_is_that_of_the_loss() -> None:
    random = np.random.default_rng(0)
    corners = random.uniform(0, 50, (40, 2, 2)).astype(np.float32)
    boxes = np.concatenate([corners.min(1), corners.max(1) + 1], 1)
    expected = compute_iou_in_torch(torch.from_numpy(boxes[:1]), torch.from_numpy(boxes)).numpy()
    np.testing.assert_allclose(compute_iou(boxes[0], boxes), expected, rtol=1e-5)


def test_points_go_back_through_letterbox_and_decoding() -> None:
    _, placement = place(WIDE.image_rgb, InputSpec(height=64, width=64, resize="letterbox"))
    # 100 x 50 becomes 64 x 32 at the top left; one pixel of it is 6.25 of the picture that was sent.
    assert points_to_picture(floats((0, 0), (64, 32), (32, 16)), placement, WIDE).tolist() == [
        [0, 0],
        [400, 200],
        [200, 100],
    ]


def test_points_go_back_through_a_centre_crop() -> None:
    _, placement = place(WIDE.image_rgb, InputSpec(height=32, width=32, resize="center_crop"))
    # The middle 50 x 50 of 100 x 50 begins at x = 25.
    assert points_to_picture(floats((0, 0), (32, 32)), placement, WIDE).tolist() == [[100, 0], [300, 200]]


def test_boxes_are_clipped_to_the_picture() -> None:
    plain = Placement(64, 32, 0, 0, 64, 32, 0, 0, 64, 32)
    picture = Picture(np.zeros((32, 64, 3), np.uint8), 64, 32)
    assert boxes_to_picture(floats((-5, -5, 10, 10), (60, 30, 99, 99)), plain, picture).tolist() == [
        [0, 0, 10, 10],
        [60, 30, 64, 32],
    ]


def test_no_boxes_stay_no_boxes() -> None:
    plain = Placement(64, 32, 0, 0, 64, 32, 0, 0, 64, 32)
    assert boxes_to_picture(np.zeros((0, 4), np.float32), plain, WIDE).shape == (0, 4)
