"""Masks of the two-stage detector: what its head learns from, what the graph answers, and that a service can cut it."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from convoy.core.manifest import GRAPH_FILE
from convoy.core.models.engine import Engine
from convoy_training.data.archive import open_archive
from convoy_training.data.instances import decode
from convoy_training.detecting.measuring import measure_masks
from convoy_training.losses.region_masks import compute_region_mask_loss, sample_map
from convoy_training.losses.two_stage import OBJECTS, sample_regions
from convoy_training.models.mask_rcnn import MaskRCNN
from convoy_training.publishing.export import export_onnx
from convoy_training.recipe_file import resolve_recipe
from convoy_training.tasks import detection

from benchmarks import made_objects

# pycocotools 2.0.11 does not know a keyword of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def fish(folder: Path, **fields: Any) -> Any:
    """A small recipe on a few made pictures."""
    made_objects.write(folder, {"train": 6, "val": 3})
    open_archive.cache_clear()
    return resolve_recipe(
        {
            "name": "fish", "task": "detection", "epochs": 1, "batch_size": 3, "licence": "none", "input_size": 128,
            "data": {"format": "coco", "path": str(folder), "title": "fish"}, "mosaic": 0.0, "plain_epochs": 0,
            "scales": (0.9, 1.1), "detection_threshold": 0.3, "optimizer": {"name": "adamw", "lr": 0.01}, **fields,
        },
        "test",
    )[1]  # fmt: skip


SMALL = {"architecture": "mask-rcnn", "widths": (4, 8, 8), "head_width": 16, "mask_width": 4, "proposals": 12,
         "anchor_sizes": (20, 40)}  # fmt: skip


def test_the_map_under_a_region_is_what_shrinking_its_crop_gives() -> None:
    drawn = np.zeros((40, 60), np.int32)
    cv2.ellipse(drawn, (30, 20), (18, 9), 20, 0, 360, 7, -1)
    region = torch.tensor([[[24.0, 8, 80, 64]]])  # at stride 2: columns 12 to 40, rows 4 to 32
    sampled = sample_map(torch.from_numpy(drawn)[None], region, 28, 2)[0, 0].numpy()
    np.testing.assert_array_equal(sampled, drawn[4:32, 12:40])
    halved = sample_map(torch.from_numpy(drawn)[None], region, 14, 2)[0, 0].numpy()
    np.testing.assert_array_equal(halved, drawn[5:33:2, 13:41:2])
    outside = sample_map(torch.from_numpy(drawn)[None], torch.tensor([[[-400.0, -400, -300, -300]]]), 4, 2)
    assert (outside == drawn[0, 0]).all()


def test_only_the_mask_of_the_true_class_learns_and_only_on_objects() -> None:
    instances = torch.zeros(1, 16, 16, dtype=torch.int32)
    instances[0, 4:12, 4:8] = 1
    truth, label = torch.tensor([[[8.0, 8, 24, 24]]]), torch.tensor([[1]])
    regions = torch.tensor([[[8.0, 8, 24, 24], [40, 40, 60, 60]]])
    masks = torch.zeros(1, 2, 2, 8, 8, requires_grad=True)
    right = torch.where(torch.arange(8) < 4, 20.0, -20.0).expand(8, 8)  # the left half
    told = masks + torch.stack([torch.stack([-right, right]), torch.stack([right, right])])
    loss = compute_region_mask_loss(told, regions, truth, label, instances, 2)
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-6)
    untaught = compute_region_mask_loss(masks, regions, truth, label, instances, 2)
    assert float(untaught.detach()) == pytest.approx(np.log(2))
    untaught.backward()
    assert masks.grad is not None
    assert masks.grad[0, 0, 1].abs().min() > 0 and masks.grad[0, 0, 0].abs().max() == 0
    assert masks.grad[0, 1].abs().max() == 0
    assert compute_region_mask_loss(masks, regions[:, 1:], truth, label, instances, 2) == 0


def test_the_regions_on_objects_come_first() -> None:
    torch.manual_seed(0)
    truth = torch.tensor([[[10.0, 10, 40, 40], [60, 60, 90, 100]]])
    proposals = torch.rand(1, 200, 2) * 80
    regions = sample_regions(torch.cat([proposals, proposals + 20], -1), truth, torch.tensor([[0, 0]]))[0]
    on_objects = (regions[:, None] == truth[0]).all(-1).any(-1)
    assert on_objects[:OBJECTS].sum() >= 2
    assert not on_objects[OBJECTS:].any()


def test_a_two_stage_detector_learns_masks_and_onnx_answers_them_as_pytorch_does(tmp_path: Path) -> None:
    config = fish(tmp_path / "data", **SMALL)
    torch.manual_seed(0)
    model, batches = detection.build_model(config), detection.build_data(config).train
    learner, losses = torch.optim.AdamW(model.parameters(), 0.01), []
    for epoch in range(20):
        for batch in batches(epoch):
            loss, parts = detection.compute_loss(model, batch() if callable(batch) else batch, config)
            learner.zero_grad()
            loss.backward()
            learner.step()
            losses.append(float(parts["mask_loss"].detach()))
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:4])
    told, images = detection.describe(config), detection.example_images(config)
    assert told.manifest["masks"].form == "boxes"
    assert told.outputs == ("boxes", "scores", "masks")
    graph = detection.build_graph(model.eval(), config).eval()
    assert export_onnx(graph, images, told, tmp_path / GRAPH_FILE) <= told.tolerance
    with torch.no_grad():
        wanted = graph(torch.from_numpy(images[:1]))
    assert [tuple(one.shape) for one in wanted] == [(1, 12, 4), (1, 12, 1), (1, 12, 28, 28)]
    answered = Engine(tmp_path / GRAPH_FILE, "cpu", 1).run(images[:1])
    for name, one in zip(told.outputs, wanted, strict=True):
        np.testing.assert_allclose(answered[name], one.numpy(), atol=told.tolerance)
    metrics = measure_masks(lambda pixels: answer(graph, pixels, told.outputs), config, "validation")
    assert all(m.interval is not None and m.interval[0] <= m.interval[1] for m in metrics)


def answer(graph: Any, pixels: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {name: one.numpy() for name, one in zip(names, graph(torch.from_numpy(pixels)), strict=True)}


def test_each_answer_has_the_mask_of_its_own_class() -> None:
    torch.manual_seed(0)
    model = MaskRCNN(3, (4, 8), mask_width=4, sizes=(16,), hidden=8, proposals=5).eval()
    pixels = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        boxes, scores, masks = model(pixels)
        every = model.cut(model.backbone(pixels), boxes)
    assert (boxes.shape, scores.shape, masks.shape) == ((1, 5, 4), (1, 5, 3), (1, 5, 28, 28))
    for row, label in enumerate(scores[0].argmax(1).tolist()):
        torch.testing.assert_close(masks[0, row], every[0, row, label])


def test_masks_of_boxes_are_measured_as_the_service_cuts_them(tmp_path: Path) -> None:
    config = fish(tmp_path / "data", iou_threshold=1.0, **SMALL)  # fish that overlap are all kept
    turns = iter(detection.load_split(config, "validation").examples)

    def know(images: np.ndarray) -> dict[str, np.ndarray]:
        """The truth as the graph would give it: each mask over its own box."""
        example, masks = next(turns), []
        for (x0, y0, x1, y1), mask in zip(example.boxes_xyxy.astype(int), example.masks, strict=True):
            inside = decode(mask)[y0:y1, x0:x1].astype(np.float32)
            masks.append(cv2.resize(inside, (28, 28), interpolation=cv2.INTER_LINEAR) - 0.5)
        scores = np.full((1, len(masks), 1), 0.9, np.float32)
        return {"boxes": example.boxes_xyxy[None], "scores": scores, "masks": np.stack(masks)[None]}

    values = {metric.name: metric for metric in measure_masks(know, config, "validation")}
    assert values["mask_map_75"].value > 0.9
    assert values["mask_map_50_95"].value > 0.7
    assert values["mask_map_50"].interval is not None
