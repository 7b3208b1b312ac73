"""Faster R-CNN: every part by hand, then the whole on two pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from convoy_training.box_geometry import clip_boxes, decode_boxes, encode_boxes
from convoy_training.losses.two_stage import (
    REGIONS,
    compute_two_stage_loss,
    label_anchors,
    label_regions,
    sample_regions,
)
from convoy_training.models.faster_rcnn import FasterRCNN
from convoy_training.models.regions import align_regions, choose_regions, make_anchors
from convoy_training.publishing.export import export_onnx
from convoy_training.session import open_onnx
from convoy_training.task import Export
from convoy_training.tasks.detection import Graph


def test_anchors_have_their_sizes_and_ratios() -> None:
    anchors = make_anchors(2, 3, 16, (64, 128), (0.5, 1.0, 2.0))
    assert anchors.shape == (2 * 3 * 6, 4)
    size = anchors[:, 2:] - anchors[:, :2]
    torch.testing.assert_close(size.prod(1)[:6].sqrt(), torch.tensor([64.0] * 3 + [128.0] * 3))
    torch.testing.assert_close((size[:, 1] / size[:, 0])[:3], torch.tensor([0.5, 1.0, 2.0]))
    assert ((anchors[:, :2] + anchors[:, 2:]) / 2)[-1].tolist() == [40, 24]


def test_boxes_come_back_from_their_steps() -> None:
    torch.manual_seed(0)
    anchors = torch.rand(9, 4).sort(1).values[:, [0, 1, 2, 3]] * 100
    anchors, boxes = anchors + torch.tensor([0, 0, 5, 5]), anchors * 1.7 + torch.tensor([3, 4, 9, 9])
    torch.testing.assert_close(decode_boxes(encode_boxes(boxes, anchors), anchors), boxes, rtol=1e-4, atol=1e-3)
    assert clip_boxes(torch.tensor([[-3.0, 2, 50, 60]]), 40, 30).tolist() == [[0, 2, 30, 40]]


def test_aligned_regions_read_a_ramp_exactly() -> None:
    x = (torch.arange(12.0) + 0.5) * 4  # a feature map that says how far right it is, in pixels
    features = torch.stack([x.expand(10, 12), (torch.arange(10.0)[:, None] + 0.5).expand(10, 12) * 4])[None]
    boxes = torch.tensor([[[8.0, 6.0, 36.0, 34.0], [10.0, 10.0, 17.0, 24.0]]])
    found = align_regions(features, boxes, stride=4, bins=7)
    assert found.shape == (1, 2, 2, 7, 7)
    torch.testing.assert_close(found[0, 0, 0, 3], 8 + 4 * (torch.arange(7.0) + 0.5))
    torch.testing.assert_close(found[0, 1, 1, :, 0], 10 + 2 * (torch.arange(7.0) + 0.5))


def test_a_better_box_suppresses_what_it_overlaps() -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 1, 10, 11], [30, 0, 40, 10], [60, 0, 70, 10]]])
    kept = choose_regions(boxes, torch.tensor([[2.0, 3.0, 1.0, -1.0]]), candidates=4, kept=3, overlap=0.7)
    assert kept[0].tolist() == [boxes[0, 1].tolist(), boxes[0, 2].tolist(), boxes[0, 3].tolist()]


TRUTH = torch.tensor([[[0.0, 0, 20, 20], [50, 50, 60, 70]], [[5, 5, 15, 15], [0, 0, 0, 0]]])
LABELS = torch.tensor([[1, 0], [2, -1]])


def test_anchors_and_regions_answer_for_what_they_overlap() -> None:
    anchors = torch.tensor([[0.0, 0, 20, 19], [0, 0, 20, 12], [48, 48, 62, 60], [80, 80, 90, 90], [2, 2, 16, 16]])
    kinds, owners = label_anchors(anchors, TRUTH, LABELS)
    # 0.95 of the first; 0.6 neither; 0.28 but the best for the second; nothing; 0.49.
    assert kinds[0].tolist() == [1, -1, 1, 0, -1] and owners[0, [0, 2]].tolist() == [0, 1]
    assert kinds[1].tolist() == [0, 0, 0, 0, 1]  # 0.26 at most, and the best: 0.51
    labels, owners = label_regions(anchors.expand(2, -1, -1), TRUTH, LABELS, background=3)
    assert labels.tolist() == [[1, 1, 3, 3, 3], [3, 3, 3, 3, 2]] and owners[1, 4] == 0


def test_a_quarter_of_the_regions_may_show_objects() -> None:
    torch.manual_seed(0)
    near, far = TRUTH[:, :1].expand(-1, 40, -1), torch.tensor([80.0, 80, 99, 99]).expand(2, 90, 4)
    regions = sample_regions(torch.cat([near, far], 1), TRUTH, LABELS)
    labels, _ = label_regions(regions, TRUTH, LABELS, background=3)
    assert regions.shape == (2, REGIONS, 4) and ((labels < 3).sum(1) == REGIONS // 4).all()
    nothing = torch.full((1, 1), -1)
    assert sample_regions(far[:1], torch.zeros(1, 1, 4), nothing).shape == (1, REGIONS, 4)


def test_a_picture_without_objects_costs_only_background() -> None:
    torch.manual_seed(0)
    model = FasterRCNN(2, (4, 8), sizes=(8, 16), hidden=16, proposals=10)
    boxes, labels = torch.zeros(1, 1, 4), torch.full((1, 1), -1)
    loss, parts = compute_two_stage_loss(
        model(torch.rand(1, 3, 32, 32), lambda proposals: sample_regions(proposals, boxes, labels)), boxes, labels
    )
    assert parts["anchors"] == 0 and parts["boxes"] == 0 and torch.isfinite(loss)
    loss.backward()


def test_two_pictures_can_be_learnt_by_heart_and_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = torch.full((2, 64, 64, 3), 30.0)
    truth, labels = torch.tensor([[[8.0, 8, 28, 28]], [[30, 24, 54, 48]]]), torch.tensor([[0], [1]])
    for image, box, colour in zip(images, truth[:, 0].int().tolist(), (0, 2), strict=True):
        image[box[1] : box[3], box[0] : box[2], colour] = 220
    model = FasterRCNN(2, (8, 16, 16), sizes=(16, 24), ratios=(1.0,), hidden=32, proposals=16)
    pixels = images.permute(0, 3, 1, 2) / 255
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(160):
        loss, _ = compute_two_stage_loss(model(pixels, lambda p: sample_regions(p, truth, labels)), truth, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    graph = Graph(model.eval())
    with torch.inference_mode():
        boxes, scores = graph(images.to(torch.uint8))
    assert boxes.shape == (2, 32, 4) and scores.shape == (2, 32, 2)
    for i in range(2):
        best = int(scores[i].amax(1).argmax())
        assert int(scores[i, best].argmax()) == int(labels[i, 0]) and scores[i, best].max() > 0.5
        torch.testing.assert_close(boxes[i, best], truth[i, 0], atol=3.0, rtol=0)
    # The order of proposals that are almost equally good is nobody's promise: the best answers are compared.
    export = Export(("boxes", "scores"), {}, tolerance=100.0)
    export_onnx(graph, images.numpy().astype(np.uint8), export, tmp_path / "m.onnx")
    found = open_onnx(tmp_path / "m.onnx")(images[:1].numpy().astype(np.uint8))
    best = found["scores"][0].max(1).argmax()
    np.testing.assert_allclose(found["boxes"][0, best], truth[0, 0], atol=3.0)


@pytest.mark.parametrize("classes", [20])
def test_the_paper_net_is_vgg_with_two_stages(classes: int) -> None:
    with torch.device("meta"):
        model = FasterRCNN(classes).eval()
        stages = model(torch.zeros(1, 3, 608, 800))
    assert stages.objectness.shape == (1, 38 * 50 * 9) and stages.logits.shape == (1, 300, 21)
    # VGG-16's convolutions, the proposer's three, fc6 and fc7, the two answers.
    convolutions = 14_714_688
    proposer = 512 * 512 * 9 + 512 + 513 * 45
    heads = 25_088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4097 * (21 + 80)
    assert sum(p.numel() for p in model.parameters()) == convolutions + proposer + heads
