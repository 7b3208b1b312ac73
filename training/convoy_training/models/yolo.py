"""A small one-stage detector of the YOLO family: one look, with grids of cells at strides 8, 16 and 32.

It has a backbone of cross-stage partial blocks (Wang et al. 2019, arXiv:1911.11929), a two-way feature pyramid (Liu et
al. 2018, arXiv:1803.01534) and an anchor-free head: each cell gives class scores and its distances to the four sides of
the box (Tian et al. 2019, arXiv:1904.01355).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.detector import Detector

STRIDES = (8, 16, 32)


class Conv(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.norm(self.conv(x)))


class PartialBlock(nn.Module):
    """Half of the channels pass `depth` residual 3x3 pairs, the other half skips them; all stages are joined."""

    def __init__(self, inputs: int, outputs: int, depth: int = 1, shortcut: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.shortcut = shortcut
        self.split = Conv(inputs, 2 * half, kernel=1)
        self.stages = nn.ModuleList(nn.Sequential(Conv(half, half), Conv(half, half)) for _ in range(depth))
        self.join = Conv((2 + depth) * half, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.split(x).chunk(2, dim=1))
        for stage in self.stages:
            parts.append(parts[-1] + stage(parts[-1]) if self.shortcut else stage(parts[-1]))
        return self.join(torch.cat(parts, dim=1))


class Backbone(nn.Module):
    """float RGB [N,3,H,W] -> features at strides 8, 16 and 32, with the last three `widths` as channels."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        stem, *rest = widths
        self.stem = Conv(3, stem, stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(Conv(a, b, stride=2), PartialBlock(b, b, depth))
            for a, b, depth in zip(widths, rest, depths, strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x, features = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features[-3:]


class Pyramid(nn.Module):
    """Carries meaning from coarse grids to fine ones, and exact places from fine grids to coarse ones."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.down_middle = PartialBlock(coarse + middle, middle, shortcut=False)
        self.down_fine = PartialBlock(middle + fine, fine, shortcut=False)
        self.stride_fine = Conv(fine, fine, stride=2)
        self.up_middle = PartialBlock(fine + middle, middle, shortcut=False)
        self.stride_middle = Conv(middle, middle, stride=2)
        self.up_coarse = PartialBlock(middle + coarse, coarse, shortcut=False)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        fine, middle, coarse = features
        middle = self.down_middle(torch.cat([_double(coarse), middle], 1))
        fine = self.down_fine(torch.cat([_double(middle), fine], 1))
        middle = self.up_middle(torch.cat([self.stride_fine(fine), middle], 1))
        coarse = self.up_coarse(torch.cat([self.stride_middle(middle), coarse], 1))
        return [fine, middle, coarse]


class Head(nn.Module):
    """For each cell of one grid: class logits [N,A,C]; distances to left, top, right, bottom [N,A,4], in strides."""

    def __init__(self, inputs: int, width: int, classes: int, stride: int) -> None:
        super().__init__()
        self.classify = nn.Sequential(Conv(inputs, width), nn.Conv2d(width, classes, 1))
        self.locate = nn.Sequential(Conv(inputs, width), nn.Conv2d(width, 4, 1))
        # At the start cells are almost sure to be empty: about five objects on a 640-pixel picture.
        nn.init.constant_(self.classify[-1].bias, math.log(5 / classes / (640 / stride) ** 2))  # type: ignore[arg-type]
        nn.init.constant_(self.locate[-1].bias, 1.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.classify(x).flatten(2).transpose(1, 2)
        return logits, functional.softplus(self.locate(x)).flatten(2).transpose(1, 2)


@architecture(
    "yolo", task="detection", classes=3, input=(256, 320),
    widths=(12, 24, 48, 96, 160), depths=(1, 1, 2, 1), head_width=48,
)  # fmt: skip
class Yolo(Detector):
    """RGB [N,3,H,W] in 0..1, H and W multiples of 32 -> logits [N,A,C], boxes [N,A,4], centres [A,2], strides [A].

    Boxes are xyxy in input pixels; A runs over the cells of the grids, fine to coarse.
    """

    def __init__(self, classes: int, widths: Sequence[int], depths: Sequence[int], head_width: int) -> None:
        super().__init__()
        self.backbone = Backbone(widths, depths)
        self.pyramid = Pyramid(widths[-3:])
        self.heads = nn.ModuleList(Head(w, head_width, classes, s) for w, s in zip(widths[-3:], STRIDES, strict=True))

    @classmethod
    def from_recipe(cls, classes: int, config: Any, shapes: object) -> Yolo:
        return cls(classes, config.widths, config.depths, config.head_width)

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        check_stages(config)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.find(self.pyramid(self.backbone(x)))

    def find(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What `forward` gives, from the three grids of the pyramid."""
        logits, distances = zip(*(head(f) for head, f in zip(self.heads, features, strict=True)), strict=True)
        centres, strides = place_cells(features)
        boxes = decode_boxes(torch.cat(distances, 1), centres, strides)
        return torch.cat(logits, 1), boxes, centres, strides


def check_stages(config: Any) -> None:
    """Raises ValueError if the widths and depths of a recipe do not make a backbone with three grids."""
    stages = len(STRIDES) + 2  # the stem, a stage without a grid, and one for each grid
    if len(config.widths) != stages or min(config.widths) < 2:
        raise ValueError(f"widths: give {stages} for the {config.architecture}, each at least 2")
    if len(config.depths) != stages - 1:
        raise ValueError(f"depths: give {stages - 1} for the {config.architecture}, one less than widths")


def place_cells(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The centres [A,2] in input pixels (x, y) and the strides [A] of every grid cell."""
    centres, strides = [], []
    for feature, stride in zip(features, STRIDES, strict=True):
        rows, columns = feature.shape[2:]
        y = (torch.arange(rows, device=feature.device) + 0.5) * stride
        x = (torch.arange(columns, device=feature.device) + 0.5) * stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        centres.append(torch.stack([grid_x, grid_y], -1).reshape(-1, 2))
        strides.append(torch.full_like(centres[-1][:, 0], stride))
    return torch.cat(centres), torch.cat(strides)


def decode_boxes(distances: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Distances [N,A,4] in strides -> boxes xyxy [N,A,4] in input pixels."""
    near, far = (distances * strides[:, None]).split(2, dim=-1)
    return torch.cat([centres - near, centres + far], -1)


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
