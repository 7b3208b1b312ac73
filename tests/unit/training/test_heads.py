"""Sliding windows, one object, two faces, five points."""

import pytest
import torch
from convoy_training.losses.localisation import compute_localisation_loss
from convoy_training.models.landmark_head import LandmarkHead, compute_landmark_loss
from convoy_training.models.lenet import LeNet
from convoy_training.models.localiser import Localiser, Location
from convoy_training.models.overfeat import (
    OverFeat,
    SlidingWindow,
    WindowDetector,
    convolve_classifier,
    place_windows,
)
from convoy_training.models.verification_head import PairVerifier, VerificationHead, compute_verification_loss
from torch import nn


def test_a_sliding_window_says_what_the_classifier_says_of_each_window() -> None:
    torch.manual_seed(0)
    net, image = LeNet(classes=4).eval(), torch.randn(2, 3, 44, 52)
    dense = SlidingWindow(net.features, net.classifier, window=32, stride=4, inputs=16).eval()
    logits, boxes, _ = dense(image)
    assert logits.shape == (2, 4 * 6, 4) and boxes.shape == (2, 24, 4)
    for row, box in enumerate(place_windows(4, 6, 4, 32).int().tolist()):
        window = image[:, :, box[1] : box[3], box[0] : box[2]]
        torch.testing.assert_close(logits[:, row], net(window), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(boxes[0, 7], torch.tensor([4.0, 4.0, 36.0, 36.0]))  # untrained: the window itself


def test_a_pyramid_looks_at_windows_of_every_size() -> None:
    torch.manual_seed(0)
    detector = WindowDetector(3, (4, 6, 8), 10, (2.0, 1.0, 0.5)).eval()
    logits, boxes, centres = detector(torch.randn(2, 3, 96, 128))
    count = sum(((round(96 * s) - 47) // 8 + 1) * ((round(128 * s) - 47) // 8 + 1) for s in (2, 1, 0.5))
    assert logits.shape == (2, count, 3) and boxes.shape == (2, count, 4)
    sizes = (boxes[0, :, 2:] - boxes[0, :, :2]).unique()
    assert sizes.tolist() == [23.5, 47.0, 94.0]  # untrained: the windows themselves
    torch.testing.assert_close(centres, (boxes[0, :, :2] + boxes[0, :, 2:]) / 2)
    # A window's box is the part of the picture that its answer depends on.
    image = torch.randn(1, 3, 96, 128)
    row = int((logits.shape[1] - 6 * 10) / 2)
    changed = image.clone()
    x0, y0, x1, y1 = boxes[0, row].round().int().tolist()
    changed[:, :, y0 : y1 + 1, x0 : x1 + 1] = 0
    kept = torch.where(changed == 0, image, 0.0)
    torch.testing.assert_close(detector(image)[0][0, row], detector(kept)[0][0, row], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(detector(image)[0][0, row], detector(changed)[0][0, row])


def test_the_courses_example_looks_at_four_and_at_sixty_four_windows() -> None:
    """14x14 through 5x5x16, pool, and two layers of 400 gives one answer; 16x16 gives 2x2, 28x28 gives 8x8."""
    features = nn.Sequential(nn.Conv2d(3, 16, 5), nn.MaxPool2d(2))
    dense = convolve_classifier(
        nn.Sequential(nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, 400), nn.Linear(400, 4)), 5
    )
    for side, expected in ((14, 1), (16, 2), (28, 8)):
        assert dense(features(torch.zeros(1, 3, side, side))).shape == (1, 4, expected, expected)


def test_layers_that_do_not_fit_a_map_are_refused() -> None:
    with pytest.raises(ValueError, match="401 inputs are not a whole number of 5x5 maps"):
        convolve_classifier(nn.Sequential(nn.Linear(401, 4)), 5)


def test_overfeat_has_the_papers_size() -> None:
    with torch.device("meta"):
        net = OverFeat()
        assert net(torch.zeros(1, 3, 231, 231)).shape == (1, 1000, 1, 1)
        assert net(torch.zeros(1, 3, 263, 295)).shape == (1, 1000, 2, 3)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(145, rel=0.01)  # table 4: 145 million


def test_where_nothing_is_present_neither_box_nor_class_is_taught() -> None:
    torch.manual_seed(0)
    presence, box, classes = (torch.randn(*shape, requires_grad=True) for shape in ((3,), (3, 4), (3, 2)))
    present = torch.tensor([True, False, True])
    truth, label = torch.rand(3, 4), torch.tensor([1, 99, 0])  # nobody reads the 99
    loss, parts = compute_localisation_loss(Location(presence, box.sigmoid(), classes), present, truth, label)
    loss.backward()
    assert presence.grad.abs().min() > 0 and box.grad[1].abs().sum() == 0 and classes.grad[1].abs().sum() == 0
    assert box.grad[[0, 2]].abs().min() > 0 and classes.grad[[0, 2]].abs().min() > 0
    expected = ((box.sigmoid() - truth) ** 2)[[0, 2]].sum() / 2
    assert parts["box"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_one_object_is_found_named_and_missed_where_there_is_none() -> None:
    torch.manual_seed(0)
    images, present = torch.zeros(8, 3, 32, 32), torch.arange(8) % 4 != 3
    boxes, labels = torch.full((8, 4), float("nan")), torch.arange(8) % 2
    for i in present.nonzero()[:, 0].tolist():
        x, y = 4 * (i % 3), 3 * (i % 4)
        images[i, labels[i], y : y + 12, x : x + 16] = 1
        boxes[i] = torch.tensor([x + 8, y + 6, 12, 16]) / 32
    model = Localiser(2, (8, 16, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        loss, _ = compute_localisation_loss(model(images), present, boxes, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = model(images)
    assert ((found.presence > 0) == present).all() and (found.classes.argmax(1) == labels)[present].all()
    assert (found.box - boxes)[present].abs().max() < 0.06


def test_verification_is_blind_to_order_and_learns_who_is_who() -> None:
    torch.manual_seed(0)
    people = nn.functional.normalize(torch.randn(40, 16))
    scale = torch.cat([torch.full((8,), 0.02), torch.full((8,), 1.0)])  # half of the dimensions are only noise
    a, b = (nn.functional.normalize(people.repeat(8, 1) + 0.3 * scale * torch.randn(320, 16)) for _ in range(2))
    same = torch.arange(320) % 2 == 0
    b = torch.where(same[:, None], b, b.roll(1, 0))
    head = VerificationHead(16)
    assert torch.equal(head(a, b), head(b, a))
    optimizer, first = torch.optim.AdamW(head.parameters(), lr=0.1, weight_decay=0), None
    for _ in range(150):
        loss = compute_verification_loss(head(a, b), same)
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * first and ((head(a, b) > 0) == same).float().mean() > 0.95
    weights = head.weigh.weight[0]
    assert weights[:8].mean() < 2 * weights[8:].mean() < 0  # what is steady in a person counts most


def test_both_faces_go_through_one_embedder() -> None:
    torch.manual_seed(0)
    head = VerificationHead(5)
    verifier = PairVerifier(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), head)
    a, b = torch.randn(2, 3, 2, 2, 3)
    logits = verifier(torch.cat([a, b], dim=2))
    torch.testing.assert_close(logits, head(verifier.embedder(a), verifier.embedder(b)))


def test_landmarks_are_learnt_where_they_are_known() -> None:
    torch.manual_seed(0)
    features = torch.randn(6, 4, 8, 8)
    face, truth = torch.tensor([1, 1, 1, 1, 0, 0]).bool(), torch.rand(6, 5, 2) * 0.6 + 0.2
    truth[0, 3], truth[4:] = float("nan"), float("nan")
    head = LandmarkHead(4)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    for _ in range(120):
        loss, _ = compute_landmark_loss(*head(features), face, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    logits, points = head(features)
    known = face[:, None] & truth.isfinite().all(-1)
    assert ((logits > 0) == face).all() and (points - truth)[known].abs().max() < 0.05 and torch.isfinite(loss)
