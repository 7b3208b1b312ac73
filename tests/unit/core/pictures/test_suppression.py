"""Non-maximum suppression, against a plain loop."""

import numpy as np
import pytest
from convoy.core.pictures.geometry import compute_iou
from convoy.core.pictures.suppression import suppress


def suppress_by_loop(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float, most: int) -> list[int]:
    """The definition: best first, each goes that overlaps a better one of its class by more than `iou`."""
    kept: list[int] = []
    for index in np.lexsort((np.arange(len(scores)), -scores)):
        rivals = [other for other in kept if classes[other] == classes[index]]
        if not rivals or compute_iou(boxes[index], boxes[rivals]).max() <= iou:
            kept.append(int(index))
    return kept[:most]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("iou", [0.0, 0.3, 0.5, 0.9])
def test_it_keeps_what_the_definition_keeps(seed: int, iou: float) -> None:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 60, (50, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + random.uniform(5, 40, (50, 2)).astype(np.float32)], 1)
    scores = random.permutation(np.linspace(0.1, 0.9, 50)).astype(np.float32)
    classes = random.integers(0, 3, 50)
    for most in (50, 5):
        expected = suppress_by_loop(boxes, scores, classes, iou, most)
        assert suppress(boxes, scores, classes, iou, most).tolist() == expected


def test_equal_scores_come_in_the_order_of_their_indices() -> None:
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]], np.float32)
    assert suppress(boxes, np.full(3, 0.5, np.float32), np.zeros(3, np.int64), 0.5, 9).tolist() == [0, 1, 2]


def test_no_boxes_give_none() -> None:
    none = np.zeros((0, 4), np.float32)
    assert suppress(none, np.zeros(0, np.float32), np.zeros(0, np.int64), 0.5, 9).tolist() == []
