import math

import numpy as np
import pytest
import torch
from convoy_training.box_geometry import compute_complete_iou, compute_iou, in_crowds
from convoy_training.losses.detection import assign, compute_detection_loss, find_crowds
from convoy_training.losses.entropy import compute_entropy, weigh_classes
from convoy_training.losses.overlap import compute_dice
from convoy_training.losses.overlap import weigh_classes as weigh_pixels
from convoy_training.losses.two_stage import sample_regions
from convoy_training.structures import CROWD
from torch.nn import functional


def boxes(*rows: tuple[float, float, float, float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def test_overlap_of_two_squares() -> None:
    a, b = boxes((0, 0, 2, 2)), boxes((1, 1, 3, 3))
    assert compute_iou(a, b).item() == pytest.approx(1 / 7)
    # Same shape: only the distance of the centres (2) over the hull's diagonal (18) is taken off.
    assert compute_complete_iou(a, b).item() == pytest.approx(1 / 7 - 2 / 18)
    assert compute_complete_iou(a, a).item() == pytest.approx(1.0)


def test_complete_overlap_punishes_another_shape() -> None:
    wide, tall = boxes((0, 1, 4, 3)), boxes((1, 0, 3, 4))
    shape = 4 / math.pi**2 * (math.atan(2) - math.atan(0.5)) ** 2
    iou = 4 / 12
    assert compute_complete_iou(wide, tall).item() == pytest.approx(iou - shape**2 / (1 - iou + shape))


def grid() -> torch.Tensor:
    steps = torch.arange(4) * 8.0 + 4
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)


def test_each_object_gets_cells_inside_it_and_padding_gets_none() -> None:
    centres = grid()
    predicted = torch.cat([centres - 8, centres + 8], 1)[None]
    truth, labels = boxes((0, 0, 16, 16), (16, 16, 32, 32), (0, 0, 32, 32))[None], torch.tensor([[0, 1, -1]])
    result = assign(torch.full((1, 16, 2), 0.5), predicted, centres, truth, labels, top=2)
    assert result.positive.sum() == 4
    for cell in result.positive[0].nonzero().flatten():
        x, y = centres[cell].tolist()
        wanted = 0 if max(x, y) < 16 else 1
        assert result.target_scores[0, cell].argmax() == wanted
        assert result.target_boxes[0, cell].tolist() == truth[0, wanted].tolist()
    assert result.target_scores[~result.positive].sum() == 0


def test_a_picture_without_objects_teaches_emptiness() -> None:
    logits = torch.zeros(1, 16, 2, requires_grad=True)
    predicted = torch.cat([grid() - 8, grid() + 8], 1)[None]
    truth, labels = torch.zeros(1, 1, 4), torch.full((1, 1), -1)
    result = assign(logits.sigmoid(), predicted, grid(), truth, labels)
    loss, parts = compute_detection_loss(logits, predicted, result, box_weight=3.0)
    loss.backward()
    assert not result.positive.any() and parts["box_loss"] == 0
    assert (logits.grad > 0).all()


def test_dice_is_zero_for_the_truth_and_ignores_the_unknown() -> None:
    target = torch.tensor([[[0, 1], [2, 2]]])
    right = functional.one_hot(target, 3).permute(0, 3, 1, 2) * 100.0
    assert compute_dice(right, target, ignore=9).item() == pytest.approx(0.0, abs=1e-6)
    assert compute_dice(-right, target, ignore=9).item() > 0.4
    wrong_there = right.clone()
    wrong_there[..., 1, 1] = torch.tensor([100.0, 0, 0])
    target[0, 1, 1] = 9
    assert compute_dice(wrong_there, target, ignore=9).item() == pytest.approx(0.0, abs=1e-6)


def test_every_class_counts_alike_with_balanced_weights() -> None:
    labels = np.array([0] * 6 + [1] * 2)
    weights = weigh_classes(labels, 3)
    assert weights.tolist() == pytest.approx([8 / 12, 2.0, 0.0])
    assert float(weights[labels].mean()) == pytest.approx(1.0)
    logits = torch.tensor([[2.0, 0, 0]] * 8)
    loss = compute_entropy(logits, torch.from_numpy(labels), weights)
    each = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="none")
    assert float(loss) == pytest.approx(float((each[0] + each[-1]) / 2), rel=1e-5)


def test_the_focal_loss_is_the_papers() -> None:
    logits, labels = torch.tensor([[3.0, 0, 0], [0, 1, 0]]), torch.tensor([0, 2])
    p = logits.softmax(1)[torch.arange(2), labels]
    assert float(compute_entropy(logits, labels, focal=2.0)) == pytest.approx(float(-((1 - p) ** 2 * p.log()).mean()))
    plain = torch.nn.functional.cross_entropy(logits, labels)
    assert torch.equal(compute_entropy(logits, labels), plain)


def test_what_is_found_in_a_crowd_is_neither_right_nor_wrong() -> None:
    logits = torch.zeros(1, 16, 2, requires_grad=True)
    predicted = torch.cat([grid() - 8, grid() + 8], 1)[None]
    truth, labels = boxes((0, 0, 16, 16), (16, 0, 32, 32))[None], torch.tensor([[0, CROWD - 1]])
    result = assign(logits.detach().sigmoid(), predicted, grid(), truth, labels)
    crowds = find_crowds(grid(), truth, labels, classes=2)
    assert crowds is not None and crowds[0, :, 1].sum() == 8 and not crowds[0, :, 0].any()
    loss, _ = compute_detection_loss(logits, predicted, result, box_weight=3.0, crowds=crowds)
    loss.backward()
    right_half = grid()[:, 0] > 16
    assert (logits.grad[0, right_half, 1] == 0).all() and (logits.grad[0, right_half, 0] > 0).all()
    assert (logits.grad[0, ~right_half] != 0).all()
    assert find_crowds(grid(), truth, torch.tensor([[0, -1]]), classes=2) is None


def test_anchors_and_regions_in_a_crowd_are_no_background() -> None:
    candidates = boxes((0, 0, 10, 10), (18, 0, 28, 10), (40, 40, 50, 50))[None]
    truth, labels = boxes((0, 0, 10, 10), (20, 0, 60, 20))[None], torch.tensor([[1, CROWD]])
    assert in_crowds(candidates, truth, labels).tolist() == [[False, True, False]]
    assert not in_crowds(candidates, truth, torch.tensor([[1, -1]])).any()
    torch.manual_seed(0)
    drawn = sample_regions(candidates.repeat(1, 30, 1), truth, labels)
    assert not (drawn == boxes((18, 0, 28, 10))).all(-1).any() and (drawn == boxes((40, 40, 50, 50))).all(-1).any()


def test_a_batch_without_a_labelled_pixel_costs_nothing() -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    nothing = torch.full((2, 4, 4), 255)
    loss = compute_dice(logits, nothing, 255)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0.0 and logits.grad is not None and not logits.grad.any()


def test_classes_without_a_pixel_change_nothing_for_the_others() -> None:
    shown = weigh_pixels(np.array([400, 100]))
    more = weigh_pixels(np.array([400, 100, 0, 0, 0, 0]))  # the median of all of them would be 0
    torch.testing.assert_close(more[:2], shown)
    assert more[0] < more[1] and more.isfinite().all()
