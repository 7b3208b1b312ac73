"""EDSR (Lim et al. 2017, arXiv:1707.02921): residual blocks without normalisation, for any kind of mending.

It differs from the paper: it is smaller, and where the answer has the size of the picture it works at half the
resolution, as FFDNet does. What is to be mended may be faint (the traces of JPEG are): in a plain stack of layers the
first steps of the training then overshoot, the last ReLU falls silent, and nothing is learnt any more. The shortcuts
and the leaky ReLUs of this network keep gradients alive.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.restorer import Restorer

SHRINK = 2
BLOCK_GAIN = 0.1
"""What a fresh block adds to its input, so that deep networks start calmly; the paper scales blocks in the same way."""


class Block(nn.Module):
    """x plus two convolutions of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.second.weight.data.mul_(BLOCK_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.leaky_relu(self.first(x), 0.1))


@architecture("edsr", task="picture_to_picture", input=(256, 256), channels=3, width=48, depth=8, scale=1)
class EDSR(Restorer):
    """float [N,C,H,W] from 0 to 1 -> [N,C,H x scale,W x scale]; H and W are even where the scale is 1."""

    def __init__(self, channels: int, width: int, depth: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.shrink = SHRINK if scale == 1 else 1
        self.head = nn.Conv2d(channels * self.shrink**2, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(_count_blocks(depth))))
        self.tail = nn.Conv2d(width, channels * (self.shrink * scale) ** 2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: object) -> EDSR:
        return cls(config.planes, config.width, config.depth, config.degrade.scale)

    @staticmethod
    def find_stride(config: Any) -> int:
        return SHRINK if config.degrade.scale == 1 else 1

    @staticmethod
    def find_overlap(config: Any) -> int:
        shrink = SHRINK if config.degrade.scale == 1 else 1
        # One more for the bicubic interpolation that enlarges the colours.
        return shrink * (2 * _count_blocks(int(config.depth)) + 2) + (config.degrade.scale > 1)

    def forward(self, planes: Tensor, level: Tensor | None = None) -> Tensor:
        small = functional.pixel_unshuffle(planes, self.shrink)
        repeated = small.repeat_interleave(self.scale**2, dim=1)
        return functional.pixel_shuffle(repeated + self.tail(self.blocks(self.head(small))), self.shrink * self.scale)


def _count_blocks(depth: int) -> int:
    """A block has two layers, and one layer comes before and one after all blocks."""
    return max(1, (depth - 2) // 2)
