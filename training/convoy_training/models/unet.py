"""U-Net (Ronneberger et al. 2015, arXiv:1505.04597) for a CPU: contract, expand by transpose convolution, copy across.

It differs from the paper in three ways: convolutions are padded and batch-normalised, blocks are residual, and the
first stride is two, so that only the last transpose convolution runs at full resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.segmenter import Segmenter


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> None:
        padding = dilation * (kernel - 1) // 2
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False), nn.BatchNorm2d(outputs)
        )


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut. With `stride` 2 they halve the resolution, and the shortcut averages."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.first = ConvNorm(inputs, outputs, stride=stride, dilation=dilation)
        self.second = ConvNorm(outputs, outputs, dilation=dilation)
        self.shortcut = nn.Identity() if inputs == outputs else ConvNorm(inputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(functional.relu(self.first(x)))
        x = functional.avg_pool2d(x, 2) if self.stride == 2 else x
        return functional.relu(y + self.shortcut(x))


class Expand(nn.Module):
    """Doubles the resolution by a transpose convolution, and merges in the contracting path's features of that size."""

    def __init__(self, inputs: int, across: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.merge = ConvNorm(outputs + across, outputs)

    def forward(self, x: Tensor, across: Tensor) -> Tensor:
        return functional.relu(self.merge(torch.cat([self.up(x), across], dim=1)))


@architecture(
    "unet", task="segmentation", classes=11, input=(384, 480), widths=(16, 32, 64, 96, 128), depths=(1, 1, 2, 2)
)
class UNet(Segmenter):
    """float RGB [N,3,H,W], normalised, H and W multiples of `stride` -> logits [N,classes,H,W]."""

    def __init__(self, classes: int, widths: Sequence[int], depths: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.stride = 2 ** len(widths)
        self.stem = ConvNorm(3, widths[0], kernel=5, stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(
                Residual(inputs, outputs, stride=2),
                *(Residual(outputs, outputs, dilation=2 if outputs == widths[-1] else 1) for _ in range(depth - 1)),
            )
            for (inputs, outputs), depth in zip(pairwise(widths), depths, strict=True)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.up = nn.ModuleList(Expand(deep, across, across) for across, deep in reversed(list(pairwise(widths))))
        # The kernels overlap: without overlap every second pixel of the mask would show the kernel's pattern.
        self.head = nn.ConvTranspose2d(widths[0], classes, 4, stride=2, padding=1)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: object) -> UNet:
        return cls(classes, config.widths, config.depths, config.dropout)

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        if len(config.depths) != len(config.widths) - 1:
            raise ValueError(f"depths: give {len(config.widths) - 1} for {len(config.widths)} widths, one less")

    @staticmethod
    def find_stride(config: Any) -> int:
        return 1 << len(config.widths)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        across = []
        for down in self.down:
            across.append(x)
            x = down(x)
        x = self.dropout(x)
        for up in self.up:
            x = up(x, across.pop())
        return self.head(x)
