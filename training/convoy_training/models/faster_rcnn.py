"""Faster R-CNN (Ren et al. 2015, arXiv:1506.01497): a network proposes regions, a second stage names and refines them.

The default is VGG-16 with the paper's anchors; `widths` chooses a small backbone for a CPU instead. Two things differ
from the paper: RoIAlign replaces RoI pooling, and proposals are suppressed in parallel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.box_geometry import clip_boxes, decode_boxes
from convoy_training.losses.two_stage import Stages, compute_two_stage_loss, sample_regions
from convoy_training.models.architecture import architecture
from convoy_training.models.detector import Detector, Loss
from convoy_training.models.regions import align_regions, choose_regions, make_anchors
from convoy_training.models.vgg import VGG

BINS = 7


class Proposer(nn.Module):
    """The region proposal network: for each cell and anchor, whether there is an object, and where exactly."""

    def __init__(self, inputs: int, width: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, width, 3, padding=1)
        self.objectness = nn.Conv2d(width, anchors, 1)
        self.steps = nn.Conv2d(width, 4 * anchors, 1)
        for layer in (self.conv, self.objectness, self.steps):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = functional.relu(self.conv(features))
        steps = self.steps(x).permute(0, 2, 3, 1).flatten(1)
        return self.objectness(x).permute(0, 2, 3, 1).flatten(1), steps.unflatten(1, (-1, 4))


@architecture("faster-rcnn", task="detection", classes=20, input=(608, 800))
class FasterRCNN(Detector):
    """float RGB [N,3,H,W] -> `Stages`. In training, `sample` replaces the proposals with the regions to learn from."""

    fixed_size = True  # since the number of proposals is fixed

    def __init__(
        self, classes: int, widths: Sequence[int] = (), *, sizes: Sequence[float] = (128, 256, 512),
        ratios: Sequence[float] = (0.5, 1.0, 2.0), hidden: int = 4096, proposals: int = 300,
    ) -> None:  # fmt: skip
        super().__init__()
        self.backbone = _build_small(widths) if widths else nn.Sequential(*list(VGG(16).features)[:-1])
        self.stride: int = 2 ** len(widths) if widths else 16
        channels = widths[-1] if widths else 512
        self.sizes, self.ratios, self.proposals = tuple(sizes), tuple(ratios), proposals
        self.proposer = Proposer(channels, channels, len(sizes) * len(ratios))
        self.describe = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * BINS**2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.classify = nn.Linear(hidden, classes + 1)
        self.refine = nn.Linear(hidden, 4 * classes)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.normal_(self.refine.weight, std=0.001)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, shapes: object) -> FasterRCNN:
        return cls(classes, config.widths, sizes=config.anchor_sizes, hidden=config.head_width,
                   proposals=config.proposals)  # fmt: skip

    @staticmethod
    def compute_loss(model: nn.Module, images: Tensor, truth_boxes: Tensor, truth_labels: Tensor, config: Any) -> Loss:
        stages = model(images, lambda proposals: sample_regions(proposals, truth_boxes, truth_labels))
        return compute_two_stage_loss(stages, truth_boxes, truth_labels)

    @staticmethod
    def decode(answer: Any) -> tuple[Tensor, Tensor]:
        return answer.decode()

    def forward(self, x: Tensor, sample: Callable[[Tensor], Tensor] | None = None) -> Stages:
        return self.look(self.backbone(x), sample)

    def look(self, features: Tensor, sample: Callable[[Tensor], Tensor] | None) -> Stages:
        """Both stages, from the features of the backbone."""
        objectness, steps = self.proposer(features)
        rows, columns = features.shape[2:]
        anchors = make_anchors(rows, columns, self.stride, self.sizes, self.ratios).to(features.device)
        with torch.no_grad():  # the second stage does not teach the first where regions should be
            boxes = clip_boxes(decode_boxes(steps.float(), anchors), rows * self.stride, columns * self.stride)
            regions = choose_regions(boxes, objectness.float(), 6 * self.proposals, self.proposals, overlap=0.7)
            regions = sample(regions) if sample else regions
        found = align_regions(features, regions, self.stride, BINS)
        described = self.describe(found.flatten(0, 1)).unflatten(0, regions.shape[:2])
        return Stages(
            objectness, steps, anchors, regions,
            self.classify(described), self.refine(described).unflatten(-1, (-1, 4)),
        )  # fmt: skip


def _build_small(widths: Sequence[int]) -> nn.Sequential:
    """Two 3x3 convolutions for each width, the first with stride two."""
    layers: list[nn.Module] = []
    inputs = 3
    for width in widths:
        for stride in (2, 1):
            layers += [nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
    return nn.Sequential(*layers)
