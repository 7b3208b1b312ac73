"""A one-stage detector that also finds named points of its objects: the YOLO of yolo.py with a branch for them.

Beside box and class, each cell gives a place for every point, and how sure it is that the point is visible, as
YOLO-Pose does (Maji et al. 2022, arXiv:2204.06806).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convoy_training.data.poses import find_sigmas
from convoy_training.losses.detection import assign, compute_detection_loss, find_crowds
from convoy_training.losses.points import compute_point_loss
from convoy_training.models.architecture import architecture
from convoy_training.models.detector import Loss
from convoy_training.models.yolo import Conv, Yolo

REACH = 4.0
"""Strides between a cell and a point that it answers 1 for: cells answer for objects some strides large."""


@architecture(
    "yolo-points", task="detection", classes=1, input=(256, 320),
    widths=(12, 24, 48, 96, 160), depths=(1, 1, 2, 1), head_width=48, points=17,
)  # fmt: skip
class YoloPoints(Yolo):
    """As `Yolo`; `forward` also gives points [N,A,P,3]: x and y in input pixels, and the logit of being visible."""

    teaches = "points"

    def __init__(
        self, classes: int, widths: Sequence[int], depths: Sequence[int], head_width: int, points: int
    ) -> None:
        super().__init__(classes, widths, depths, head_width)
        self.points = nn.ModuleList(
            nn.Sequential(Conv(w, head_width), nn.Conv2d(head_width, 3 * points, 1)) for w in widths[-3:]
        )

    @classmethod
    def from_recipe(cls, classes: int, config: Any, shapes: object) -> YoloPoints:
        return cls(classes, config.widths, config.depths, config.head_width, len(config.points))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]  # it gives one more
        grids = self.pyramid(self.backbone(x))
        logits, boxes, centres, strides = self.find(grids)
        raw = [branch(grid).flatten(2).transpose(1, 2) for branch, grid in zip(self.points, grids, strict=True)]
        told = torch.cat(raw, 1).unflatten(-1, (-1, 3))
        places = centres[:, None] + told[..., :2] * (REACH * strides[:, None, None])
        return logits, boxes, centres, strides, torch.cat([places, told[..., 2:]], -1)

    def conclude(self, answer: Any) -> tuple[Tensor, ...]:
        """Boxes [N,A,4], scores [N,A,C] and points [N,A,P,3], whose third number is 0 to 1."""
        points = answer[-1]
        return *self.decode(answer), torch.cat([points[..., :2], points[..., 2:].sigmoid()], -1)

    @staticmethod
    def compute_whole_loss(
        model: nn.Module, images: Tensor, truth_boxes: Tensor, truth_labels: Tensor, beside: Tensor, config: Any
    ) -> Loss:
        """The loss of boxes and classes, and that of the points. beside: [N,K,P,3] as in `Places`."""
        logits, boxes, centres, _, points = model(images)
        assignment = assign(logits.detach().sigmoid(), boxes.detach(), centres, truth_boxes, truth_labels)
        crowds = find_crowds(centres, truth_boxes, truth_labels, logits.shape[2])
        loss, parts = compute_detection_loss(logits, boxes, assignment, config.box_weight, crowds)
        sigmas = find_sigmas(config.points, config.point_sigmas)
        places, visible = compute_point_loss(points, assignment, beside, sigmas)
        total = loss + config.point_weight * (places + visible)
        return total, {**parts, "point_loss": places, "visible_loss": visible}
