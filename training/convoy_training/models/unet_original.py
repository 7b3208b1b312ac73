"""U-Net as published (Ronneberger et al. 2015, arXiv:1505.04597, figure 1): 572x572 pixels in, 388x388 out.

`padded` keeps the size instead, since a service must answer for every pixel. `normalised` adds batch normalisation,
with which minutes of training are enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from convoy_training.models.architecture import architecture
from convoy_training.models.segmenter import Segmenter

WIDTHS = (64, 128, 256, 512, 1024)


class Convolutions(nn.Sequential):
    """Two 3x3 convolutions, each with a ReLU."""

    def __init__(self, inputs: int, outputs: int, padded: bool, normalised: bool) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            convolution = nn.Conv2d(channels, outputs, 3, padding=int(padded), bias=not normalised)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            layers += [convolution, *([nn.BatchNorm2d(outputs)] if normalised else []), nn.ReLU()]
        super().__init__(*layers)


@architecture("unet-original", task="segmentation", classes=2, input=(572, 572))
class OriginalUNet(Segmenter):
    """float [N,channels,H,W] -> logits [N,classes,H',W']: of the same size if `padded`, or else 184 pixels smaller.

    Without padding a side must be 16 n + 188 (572 = 16 * 24 + 188); with it, a multiple of 2 ** (len(widths) - 1).
    """

    def __init__(
        self, classes: int, widths: Sequence[int] = WIDTHS, *, channels: int = 3, padded: bool = False,
        normalised: bool = False, dropout: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.padded = padded
        self.down = nn.ModuleList(Convolutions(a, b, padded, normalised) for a, b in pairwise([channels, *widths]))
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        steps = list(pairwise(reversed(widths)))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in steps)
        self.up = nn.ModuleList(Convolutions(2 * b, b, padded, normalised) for _, b in steps)
        self.head = nn.Conv2d(widths[0], classes, 1)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: object) -> OriginalUNet:
        return cls(classes, config.widths, padded=True, normalised=True, dropout=config.dropout)

    @staticmethod
    def find_stride(config: Any) -> int:
        return 1 << (len(config.widths) - 1)

    def forward(self, x: Tensor) -> Tensor:
        across = []
        for level, convolve in enumerate(self.down):
            x = convolve(self.pool(x) if level else x)
            across.append(x)
        x = self.dropout(across.pop())
        for enlarge, convolve in zip(self.enlarge, self.up, strict=True):
            x = enlarge(x)
            same = across.pop()
            x = convolve(torch.cat([same if self.padded else _cut(same, x), x], dim=1))
        return self.head(x)


def _cut(x: Tensor, like: Tensor) -> Tensor:
    """Cuts the middle out of x, at the size of `like`."""
    top, left = (x.shape[2] - like.shape[2]) // 2, (x.shape[3] - like.shape[3]) // 2
    return x[:, :, top : top + like.shape[2], left : left + like.shape[3]]
