"""A YOLO with anchors: shapes by k-means, objects by IoU, boxes from shifts and growth."""

import numpy as np
import pytest
import torch
from convoy_training.losses.anchors import assign_anchors, compute_anchor_loss
from convoy_training.models.yolo_anchors import AnchorYolo, Grid, choose_anchors, compare_shapes

ANCHORS = [[8, 8], [12, 6], [6, 12], [16, 16], [24, 12], [12, 24], [40, 40], [60, 30], [30, 60]]


def build(classes: int = 2) -> AnchorYolo:
    return AnchorYolo(classes, (8, 8, 8, 16, 16), (1, 1, 1, 1), ANCHORS)


def test_k_means_finds_the_shapes_that_are_there() -> None:
    random = np.random.default_rng(0)
    shapes = np.array([[10, 10], [40, 20], [20, 60]])
    found = choose_anchors(shapes[random.integers(0, 3, 300)] * random.uniform(0.95, 1.05, (300, 2)), count=3)
    np.testing.assert_allclose(found, [[10, 10], [40, 20], [20, 60]], rtol=0.03)
    assert compare_shapes(np.array([[10.0, 10]]), np.array([[10.0, 10], [20, 5], [5, 5]]))[0].tolist() == [
        1,
        1 / 3,
        1 / 4,
    ]


def test_an_untouched_anchor_is_its_shape_in_the_middle_of_its_cell() -> None:
    grid = build().eval()(torch.zeros(1, 3, 64, 96))
    assert grid.sizes == [(8, 12), (4, 6), (2, 3)] and grid.raw.shape == (1, 3 * (96 + 24 + 6), 7)
    boxes, scores = Grid(torch.zeros_like(grid.raw), *grid[1:]).decode()
    # Second cell of the first row of the coarse grid, second shape: 60x30 around (48, 16).
    assert boxes[0, 3 * 120 + 3 + 1].tolist() == [18, 1, 78, 31] and scores.unique().tolist() == [0.25]
    assert grid.decode()[1].max() < 0.05  # at first it sees nothing


def test_the_best_shape_in_the_centres_cell_answers() -> None:
    model = build()
    grid = model.eval()(torch.zeros(1, 3, 64, 96))
    truth = torch.tensor([[[40.0, 20, 53, 26], [18, 1, 78, 31], [90, 60, 96, 64]]])
    rows = assign_anchors(grid, truth, model.anchors)[0].tolist()
    # 13x6 at (46.5, 23): cell (5, 2) of the fine grid, its 12x6; 60x30 at (48, 16); 6x4 at (93, 62): cell (11, 7).
    assert rows == [(2 * 12 + 5) * 3 + 1, 3 * 120 + 3 + 1, (7 * 12 + 11) * 3 + rows[2] % 3]


def test_a_picture_is_learnt_by_heart() -> None:
    torch.manual_seed(0)
    images = torch.full((2, 3, 64, 64), 0.1)
    truth, labels = (
        torch.tensor([[[8.0, 8, 28, 28], [0, 0, 0, 0]], [[30, 24, 54, 34], [4, 40, 20, 60]]]),
        [[0, -1], [1, 0]],
    )
    for picture, box, label in ((0, truth[0, 0], 0), (1, truth[1, 0], 1), (1, truth[1, 1], 0)):
        x0, y0, x1, y1 = box.int().tolist()
        images[picture, label, y0:y1, x0:x1] = 0.9
    model, target = build(), torch.tensor(labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(60):
        loss, parts = compute_anchor_loss(model(images), truth, target, model.anchors, box_weight=3.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert parts["box"].item() < 0.15
    boxes, scores = model(images).decode()
    best = scores[0].amax(1).argmax()
    torch.testing.assert_close(boxes[0, best], truth[0, 0], atol=3.0, rtol=0)
    assert int(scores[0, best].argmax()) == 0


def test_nothing_to_find_costs_only_presence() -> None:
    model = build()
    loss, parts = compute_anchor_loss(model(torch.rand(1, 3, 64, 64)), torch.zeros(1, 1, 4), torch.tensor([[-1]]),
                                      model.anchors, 3.0)  # fmt: skip
    assert parts["box"] == 0 and parts["class"] == 0 and loss.item() == pytest.approx(parts["presence"].item())
