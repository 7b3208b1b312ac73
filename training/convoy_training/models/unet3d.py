"""A U-Net over volumes (Çiçek et al. 2016, arXiv:1606.06650), for slices that lie further apart than pixels do.

It halves pixels and never slices, and looks across slices only below full resolution, where that costs little.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture

FLAT, DEEP = (1, 3, 3), (3, 3, 3)


class ConvNorm(nn.Sequential):
    """Convolution over (slices, height, width), batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1) -> None:
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        super().__init__(
            nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), padding, bias=False),
            nn.BatchNorm3d(outputs),
            nn.ReLU(),
        )


class Expand(nn.Module):
    """Doubles height and width by a transpose convolution, and merges in the contracting path's features."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(inputs, outputs, (1, 2, 2), stride=(1, 2, 2))
        self.merge = ConvNorm(2 * outputs, outputs, FLAT)

    def forward(self, x: Tensor, across: Tensor) -> Tensor:
        return self.merge(torch.cat([self.up(x), across], dim=1))


@architecture("unet3d", task="volume_segmentation", classes=2, input=(5, 256, 256), widths=(8, 16, 32, 64))
class UNet3d(nn.Module):
    """float [N,channels,slices,H,W], H and W multiples of `find_stride` -> logits [N,classes,slices,H,W]."""

    def __init__(self, classes: int, widths: Sequence[int], channels: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.stem = ConvNorm(channels, widths[0], FLAT)
        self.down = nn.ModuleList(
            nn.Sequential(ConvNorm(inputs, outputs, DEEP, stride=2), ConvNorm(outputs, outputs, DEEP))
            for inputs, outputs in pairwise(widths)
        )
        self.dropout = dropout
        self.up = nn.ModuleList(Expand(deep, across) for across, deep in reversed(list(pairwise(widths))))
        self.head = nn.Conv3d(widths[0], classes, 1)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: object) -> UNet3d:
        return cls(classes, config.widths, 1, config.dropout)

    @staticmethod
    def find_stride(config: Any) -> int:
        """The stride of the deepest features, in pixels of a slice."""
        return 1 << (len(config.widths) - 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        across = []
        for down in self.down:
            across.append(x)
            x = down(x)
        x = functional.dropout3d(x, self.dropout, self.training)
        for up in self.up:
            x = up(x, across.pop())
        return self.head(x)
