"""Face losses against answers worked out by hand."""

import numpy as np
import pytest
import torch
from convoy_training.losses.face_detection import assign_cells, compare_boxes, compute_face_loss, quality_focal_loss
from convoy_training.losses.margin import MarginSoftmax
from convoy_training.models.face_detector import STRIDES, locate_cells
from torch.nn import functional as F


@pytest.mark.parametrize(("additive", "angular"), [(0.0, 0.0), (0.35, 0.0), (0.0, 0.5), (0.1, 0.3)])
def test_margin_softmax_is_softmax_over_shifted_cosines(additive: float, angular: float) -> None:
    torch.manual_seed(0)
    loss = MarginSoftmax(7, 16, scale=20.0, additive=additive, angular=angular)
    embeddings, labels = F.normalize(torch.randn(5, 16)), torch.tensor([0, 3, 6, 3, 1])
    expected = []
    for vector, label in zip(embeddings, labels.tolist(), strict=True):
        cosines = [float(vector @ centre / centre.norm()) for centre in loss.centres.detach()]
        cosines[label] = float(np.cos(np.arccos(cosines[label]) + angular)) - additive
        logits = 20.0 * np.array(cosines)
        expected.append(np.log(np.exp(logits).sum()) - logits[label])
    assert loss(embeddings, labels).item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_a_margin_costs() -> None:
    torch.manual_seed(0)
    plain, strict = MarginSoftmax(5, 8, additive=0.0), MarginSoftmax(5, 8, additive=0.35)
    strict.load_state_dict(plain.state_dict())
    vectors, labels = F.normalize(torch.randn(6, 8)), torch.arange(6) % 5
    assert strict(vectors, labels) > plain(vectors, labels)


def test_overlap_of_boxes() -> None:
    first = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    second = torch.tensor([[0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    overlaps, distances = compare_boxes(first, second)
    torch.testing.assert_close(overlaps, torch.tensor([1.0, 1 / 3, 0.0]), atol=1e-4, rtol=0)
    expected = torch.tensor([1.0, 1 / 3 - 25 / (15**2 + 10**2), -800 / 1800])
    torch.testing.assert_close(distances, expected, atol=1e-4, rtol=0)


def test_quality_focal_loss_is_zero_where_the_score_is_the_quality() -> None:
    qualities = torch.tensor([0.1, 0.5, 0.9])
    assert quality_focal_loss(qualities.logit(), qualities).abs().max() < 1e-6
    assert quality_focal_loss(torch.tensor([3.0]), torch.tensor([0.0])) > 1


def predict_perfectly(boxes: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Every cell predicts the box nearest to it."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return boxes[torch.cdist(centres, middles).argmin(dim=1)]


def test_every_face_gets_cells_near_its_centre() -> None:
    centres, strides = locate_cells([(128 // s, 128 // s) for s in STRIDES])
    faces = torch.tensor([[8.0, 8.0, 24.0, 24.0], [40.0, 40.0, 110.0, 120.0]])
    owners = assign_cells(predict_perfectly(faces, centres), torch.zeros(len(centres)), centres, strides, faces)
    for index, face in enumerate(faces):
        cells = owners == index
        assert cells.any()
        offset = (centres[cells] - (face[:2] + face[2:]) / 2).abs()
        assert (offset < 1.5 * strides[cells]).all()


def make_targets(kinds: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    boxes = torch.tensor([[[10.0, 10.0, 40.0, 50.0], [70.0, 60.0, 90.0, 90.0]]])
    landmarks = torch.full((1, 2, 5, 2), 20.0)
    landmarks[:, 1] = torch.nan
    return boxes, landmarks, torch.tensor([kinds])


def compute(score: float, kinds: list[int], landmark: float = 20.0) -> dict[str, torch.Tensor]:
    cells = locate_cells([(128 // s, 128 // s) for s in STRIDES])
    targets = make_targets(kinds)
    boxes = predict_perfectly(targets[0][0], cells[0])[None]
    logits = torch.full((1, len(cells[0]), 1), score)
    return compute_face_loss((boxes, logits, torch.full((1, len(cells[0]), 5, 2), landmark)), cells, targets)


def test_perfect_boxes_and_landmarks_cost_nothing() -> None:
    parts = compute(0.0, [1, 1])
    assert parts["box"] < 1e-4 and parts["landmark"] == 0
    assert compute(0.0, [1, 1], landmark=26.0)["landmark"] > 0.05


def test_an_ignored_face_is_neither_face_nor_background() -> None:
    background, ignored = compute(4.0, [1, 0])["score"], compute(4.0, [1, 2])["score"]
    assert ignored < background


def test_a_picture_without_faces_only_costs_scores() -> None:
    parts = compute(-2.0, [0, 0])
    assert parts["box"] == 0 and parts["landmark"] == 0 and parts["score"] > 0
