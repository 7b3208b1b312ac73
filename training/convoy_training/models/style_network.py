"""Several styles in one network (Johnson et al. 2016, arXiv:1603.08155; Dumoulin et al. 2017, arXiv:1610.07629).

A style is a scale and a shift of each channel in each block, and a mixture of styles is the mixture of these. It
differs from the papers: the scales are not those of an instance normalisation, whose statistics are of the whole
picture, since the service cuts pictures into tiles, which must not depend on each other. The network gives what is to
change in the picture, at a quarter of the resolution.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.restorer import Restorer

SHRINK = 4


class StyledBlock(nn.Module):
    """x plus two convolutions of it, between which each channel is scaled and shifted as the styles at a place say."""

    def __init__(self, width: int, styles: int) -> None:
        super().__init__()
        self.first = _convolve(width, width)
        self.second = _convolve(width, width)
        self.scale = nn.Conv2d(styles, width, 1, bias=False)
        self.shift = nn.Conv2d(styles, width, 1, bias=False)
        nn.init.normal_(self.scale.weight, std=0.1)
        nn.init.normal_(self.shift.weight, std=0.1)

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        y = self.first(x) * (1 + self.scale(styles)) + self.shift(styles)
        return x + self.second(functional.leaky_relu(y, 0.1))


@architecture("style-network", task="style_transfer", input=(256, 256), width=48, depth=8, styles=3)
class StyleNetwork(Restorer):
    """float RGB [N,3,H,W] from 0 to 1, and the weights of the styles [N,S,H,W] with a sum of 1 -> [N,3,H,W]."""

    def __init__(self, width: int, depth: int, styles: int) -> None:
        super().__init__()
        self.styles = styles
        self.head = _convolve(3 * SHRINK**2, width)
        self.blocks = nn.ModuleList(StyledBlock(width, styles) for _ in range(_count_blocks(depth)))
        self.tail = _convolve(width, 3 * SHRINK**2)
        self.tail.weight.data.mul_(0.1)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: object) -> StyleNetwork:
        return cls(config.width, config.depth, classes)

    @staticmethod
    def find_stride(config: Any) -> int:
        return SHRINK

    @staticmethod
    def find_overlap(config: Any) -> int:
        return SHRINK * (2 * _count_blocks(int(config.depth)) + 2)

    def forward(self, planes: Tensor, level: Tensor | None = None) -> Tensor:
        if level is None:  # the first style alone
            level = torch.zeros(planes.shape[0], self.styles, *planes.shape[2:], device=planes.device)
            level[:, 0] = 1
        styles = level[:, :, ::SHRINK, ::SHRINK]
        x = functional.leaky_relu(self.head(functional.pixel_unshuffle(planes, SHRINK)), 0.1)
        for block in self.blocks:
            x = block(x, styles)
        return planes + functional.pixel_shuffle(self.tail(x), SHRINK)


def _convolve(inputs: int, outputs: int) -> nn.Conv2d:
    """The service gives each tile its surroundings, or their mirror image, so a network never meets zeros there.

    With zeros around the small crops of training it would learn where their border is, and count on it.
    """
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")


def _count_blocks(depth: int) -> int:
    return max(1, (depth - 2) // 2)
