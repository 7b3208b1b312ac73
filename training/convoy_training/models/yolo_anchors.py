"""A YOLO with anchors, as in its second and third version (Redmon & Farhadi 2017, arXiv:1612.08242; 2018, 1804.02767).

Each cell of three grids has three anchors: shapes that k-means finds among the boxes of the training data. An anchor
predicts the centre within its cell, the growth of its shape, whether there is an object, and of which class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convoy_training.losses.anchors import PER_CELL, Grid, compute_anchor_loss
from convoy_training.models.architecture import architecture
from convoy_training.models.detector import Detector, Loss
from convoy_training.models.yolo import STRIDES, Backbone, Pyramid, check_stages

PUBLISHED = [[10, 13], [16, 30], [33, 23], [30, 61], [62, 45], [59, 119], [116, 90], [156, 198], [373, 326]]
"""YOLOv3's anchors, for COCO at 416 pixels; training finds its own."""


@architecture(
    "yolo-anchors", task="detection", classes=3, input=(256, 320),
    widths=(12, 24, 48, 96, 160), depths=(1, 1, 2, 1), anchors=PUBLISHED,
)  # fmt: skip
class AnchorYolo(Detector):
    """RGB [N,3,H,W] in 0..1, H and W multiples of 32 -> `Grid`. anchors: nine (width, height), small to large."""

    anchors: Tensor

    def __init__(
        self, classes: int, widths: Sequence[int], depths: Sequence[int], anchors: Sequence[Sequence[float]]
    ) -> None:
        super().__init__()
        self.backbone = Backbone(widths, depths)
        self.pyramid = Pyramid(widths[-3:])
        self.heads = nn.ModuleList(nn.Conv2d(width, PER_CELL * (5 + classes), 1) for width in widths[-3:])
        for head in self.heads:
            nn.init.constant_(head.bias.view(PER_CELL, -1)[:, 4], -5.0)  # type: ignore[operator]
        self.register_buffer("anchors", torch.tensor(anchors, dtype=torch.float32).view(len(STRIDES), PER_CELL, 2))

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        check_stages(config)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, shapes: Callable[[], NDArray[np.floating]]) -> AnchorYolo:
        return cls(classes, config.widths, config.depths, choose_anchors(shapes()))

    @staticmethod
    def compute_loss(model: nn.Module, images: Tensor, truth_boxes: Tensor, truth_labels: Tensor, config: Any) -> Loss:
        anchors = next(buffer for name, buffer in model.named_buffers() if name.endswith("anchors"))
        return compute_anchor_loss(model(images), truth_boxes, truth_labels, anchors, config.box_weight)

    @staticmethod
    def decode(answer: Any) -> tuple[Tensor, Tensor]:
        return answer.decode()

    def forward(self, x: Tensor) -> Grid:
        raw, corners, shapes, strides, sizes = [], [], [], [], []
        for level, features in enumerate(self.pyramid(self.backbone(x))):
            rows, columns = features.shape[2:]
            answers = self.heads[level](features).unflatten(1, (PER_CELL, -1))
            raw.append(answers.permute(0, 3, 4, 1, 2).flatten(1, 3))
            y, x_ = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            cells = torch.stack([x_, y], -1).to(features.device).reshape(-1, 1, 2) * STRIDES[level]
            corners.append(cells.expand(-1, PER_CELL, -1).reshape(-1, 2))
            shapes.append(self.anchors[level].repeat(rows * columns, 1))
            strides.append(torch.full_like(shapes[-1][:, 0], STRIDES[level]))
            sizes.append((rows, columns))
        return Grid(torch.cat(raw, 1), torch.cat(corners), torch.cat(shapes), torch.cat(strides), sizes)


def choose_anchors(shapes: NDArray[np.floating], count: int = 9, rounds: int = 50) -> list[list[float]]:
    """The `count` shapes (width, height), small to large, that k-means finds among [K,2] by 1 - IoU.

    It starts from quantiles of the area, so the same data always gives the same anchors.
    """
    order = np.argsort(shapes.prod(1), kind="stable")
    centres = shapes[order[np.linspace(0, len(shapes) - 1, count + 2).astype(int)[1:-1]]].astype(np.float64)
    for _ in range(rounds):
        nearest = compare_shapes(shapes, centres).argmax(1)
        centres = np.array([
            np.median(shapes[nearest == i], axis=0) if (nearest == i).any() else centre
            for i, centre in enumerate(centres)
        ])  # fmt: skip
    rounded: list[list[float]] = centres[np.argsort(centres.prod(1), kind="stable")].round(1).tolist()
    return rounded


def compare_shapes(shapes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """The IoU [K,M] of shapes [K,2] with shapes [M,2], each pair at the same place."""
    shared = np.minimum(shapes[:, None], others[None]).prod(-1)
    overlaps: NDArray[np.floating] = shared / (shapes.prod(1)[:, None] + others.prod(1)[None] - shared)
    return overlaps
