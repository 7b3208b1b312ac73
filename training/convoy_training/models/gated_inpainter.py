"""Gated convolutions that fill holes (Yu et al. 2019, arXiv:1806.03589): a mask comes with the picture.

A gate for each channel and place says how much of what is there counts, so that a hole is no black area to the network.
It differs from the paper: one small stage at a quarter of the resolution, with dilated residual blocks in place of a
coarse and a fine network, and no discriminator, so what it fills in is likely rather than sharp.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.restorer import Restorer

SHRINK = 4
DILATIONS = (1, 2, 4, 8)
"""Of one block after the other, again from the start where there are more blocks."""


class GatedConv(nn.Module):
    """A convolution whose channels are multiplied by gates from 0 to 1, which it computes beside them."""

    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__()
        # The service continues a picture by its mirror image; zeros would tell the network where a crop ends.
        self.convolve = nn.Conv2d(inputs, 2 * outputs, 3, padding=dilation, dilation=dilation, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        features, gates = self.convolve(x).chunk(2, 1)
        return functional.elu(features) * torch.sigmoid(gates)


@architecture("gated-inpainter", task="picture_to_picture", input=(256, 256), channels=3, width=48, depth=8)
class GatedInpainter(Restorer):
    """float [N,C,H,W] from 0 to 1, and a mask [N,1,H,W], 1 where to fill; sides are multiples of 4 -> [N,C,H,W].

    What is not masked comes back as it was.
    """

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.head = GatedConv((channels + 1) * SHRINK**2, width)
        self.blocks = nn.ModuleList(GatedConv(width, width, dilation) for dilation in _dilations(depth))
        self.tail = nn.Conv2d(width, channels * SHRINK**2, 3, padding=1, padding_mode="reflect")

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: object) -> GatedInpainter:
        return cls(config.planes, config.width, config.depth)

    @staticmethod
    def find_stride(config: Any) -> int:
        return SHRINK

    @staticmethod
    def find_overlap(config: Any) -> int:
        return SHRINK * (2 + sum(_dilations(int(config.depth))))

    def forward(self, planes: Tensor, level: Tensor | None = None) -> Tensor:
        if level is None:  # `zoo` counts what it costs, and has no mask
            level = torch.zeros_like(planes[:, :1])
        kept = planes * (1 - level)
        x = self.head(functional.pixel_unshuffle(torch.cat([kept, level], 1), SHRINK))
        for block in self.blocks:
            x = x + block(x)
        return kept + level * functional.pixel_shuffle(self.tail(x), SHRINK)


def _dilations(depth: int) -> list[int]:
    """Of the blocks between the first and the last layer."""
    return [DILATIONS[place % len(DILATIONS)] for place in range(depth - 2)]
