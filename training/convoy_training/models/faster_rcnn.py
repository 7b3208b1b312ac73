"""Faster R-CNN (Ren et al. 2015, arXiv:1506.01497): a network proposes regions, a second stage names and refines them.

By default on VGG-16 with the paper's anchors; `widths` gives a small backbone for a CPU instead. What differs from the
paper: RoIAlign for RoI pooling, and suppression of proposals in parallel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.regions import align_regions, choose_regions, clip_boxes, decode_boxes, make_anchors
from convoy_training.models.vgg import VGG

BINS = 7
DELTA_SCALE = (0.1, 0.1, 0.2, 0.2)
"""Steps of the second stage are small; scaled by this they have about unit variance (Fast R-CNN's published code)."""


class Stages(NamedTuple):
    """What both stages say. The first: objectness [N,A] (logits), steps [N,A,4] from `anchors` [A,4].

    The second: about `regions` [N,K,4]: logits [N,K,C+1], the last being background, and steps [N,K,C,4].
    """

    objectness: Tensor
    anchor_steps: Tensor
    anchors: Tensor
    regions: Tensor
    logits: Tensor
    steps: Tensor

    def decode(self) -> tuple[Tensor, Tensor]:
        """Boxes [N,K*C,4] and scores [N,K*C,C]: each class has boxes of its own, with a score for that class alone."""
        scores = self.logits.softmax(-1)[..., :-1]
        scale = torch.tensor(DELTA_SCALE, device=scores.device)
        boxes = decode_boxes(self.steps * scale, self.regions[:, :, None])
        return boxes.flatten(1, 2), torch.diag_embed(scores).flatten(1, 2)


class Proposer(nn.Module):
    """The region proposal network: for each cell and anchor, is there anything, and where exactly."""

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


class FasterRCNN(nn.Module):
    """float RGB [N,3,H,W] -> `Stages`. In training, `sample` replaces the proposals by the regions to learn from."""

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

    def forward(self, x: Tensor, sample: Callable[[Tensor], Tensor] | None = None) -> Stages:
        features = self.backbone(x)
        objectness, steps = self.proposer(features)
        rows, columns = features.shape[2:]
        anchors = make_anchors(rows, columns, self.stride, self.sizes, self.ratios).to(x.device)
        with torch.no_grad():  # the second stage does not teach the first where its regions should be
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
    """Two 3x3 convolutions a width, the first of stride two."""
    layers: list[nn.Module] = []
    inputs = 3
    for width in widths:
        for stride in (2, 1):
            layers += [nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
    return nn.Sequential(*layers)
