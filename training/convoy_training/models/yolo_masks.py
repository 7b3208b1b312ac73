"""A one-stage detector that also cuts its objects out: the YOLO of yolo.py with prototypes (YOLACT).

Beside box and class, each cell gives coefficients; a branch on the finest grid gives prototypes, masks of the whole
input. The sum of the prototypes, weighed by a cell's coefficients, is the mask of its object (Bolya et al. 2019,
arXiv:1904.02689).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.losses.detection import assign, compute_detection_loss, find_crowds
from convoy_training.losses.masks import compute_mask_loss
from convoy_training.models.architecture import architecture
from convoy_training.models.detector import Loss
from convoy_training.models.yolo import Conv, Yolo


class Prototypes(nn.Module):
    """Features at strides 8 and 4 -> prototypes [N,M,H/4,W/4], logits."""

    def __init__(self, fine: int, finest: int, width: int, prototypes: int) -> None:
        super().__init__()
        self.reduce = Conv(fine, width)
        self.join = Conv(width + finest, width)
        self.refine = Conv(width, width)
        self.give = nn.Conv2d(width, prototypes, 1)

    def forward(self, fine: Tensor, finest: Tensor) -> Tensor:
        larger = functional.interpolate(self.reduce(fine), scale_factor=2.0, mode="nearest")
        out: Tensor = self.give(self.refine(self.join(torch.cat([larger, finest], 1))))
        return out


@architecture(
    "yolo-masks", task="detection", classes=3, input=(256, 320),
    widths=(12, 24, 48, 96, 160), depths=(1, 1, 2, 1), head_width=48, prototypes=16,
)  # fmt: skip
class YoloMasks(Yolo):
    """As `Yolo`; `forward` also gives coefficients [N,A,M] and prototypes [N,M,H/4,W/4]."""

    teaches = "masks"
    mask_form = "prototypes"

    def __init__(
        self, classes: int, widths: Sequence[int], depths: Sequence[int], head_width: int, prototypes: int
    ) -> None:
        super().__init__(classes, widths, depths, head_width)
        self.prototypes = Prototypes(widths[-3], widths[-4], head_width, prototypes)
        self.coefficients = nn.ModuleList(
            nn.Sequential(Conv(w, head_width), nn.Conv2d(head_width, prototypes, 1)) for w in widths[-3:]
        )

    @classmethod
    def from_recipe(cls, classes: int, config: Any, shapes: object) -> YoloMasks:
        return cls(classes, config.widths, config.depths, config.head_width, config.prototypes)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]  # it gives two more
        features, x = [], self.backbone.stem(x)
        for stage in self.backbone.stages:
            x = stage(x)
            features.append(x)
        grids = self.pyramid(features[-3:])
        found = self.find(grids)
        weights = [one(grid) for one, grid in zip(self.coefficients, grids, strict=True)]
        coefficients = torch.cat([each.flatten(2).transpose(1, 2) for each in weights], 1)
        return *found, coefficients, self.prototypes(grids[0], features[-4])

    def conclude(self, answer: Any) -> tuple[Tensor, ...]:
        """Boxes [N,A,4], scores [N,A,C], prototypes [N,M,h,w] and coefficients [N,A,M]."""
        return *self.decode(answer), answer[-1], answer[-2]

    @staticmethod
    def compute_whole_loss(
        model: nn.Module, images: Tensor, truth_boxes: Tensor, truth_labels: Tensor, beside: Tensor, config: Any
    ) -> Loss:
        """The loss of boxes and classes, and that of the masks. beside: int [N,H/4,W/4], numbers of boxes from 1."""
        logits, boxes, centres, _, coefficients, prototypes = model(images)
        assignment = assign(logits.detach().sigmoid(), boxes.detach(), centres, truth_boxes, truth_labels)
        crowds = find_crowds(centres, truth_boxes, truth_labels, logits.shape[2])
        loss, parts = compute_detection_loss(logits, boxes, assignment, config.box_weight, crowds)
        mask_loss = compute_mask_loss(
            coefficients, prototypes, assignment, beside, YoloMasks.map_stride, config.masks_per_picture
        )
        return loss + config.mask_weight * mask_loss, {**parts, "mask_loss": mask_loss}
