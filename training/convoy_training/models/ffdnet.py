"""FFDNet (Zhang et al. 2018, arXiv:1710.04026): denoising at half the resolution, told how strong the noise is.

It differs from the paper: it is smaller, has no batch normalisation, and gives the noise, which is taken off (residual
learning, as DnCNN has it: Zhang et al. 2017, arXiv:1608.03981). Without `levels` it is blind.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.restorer import Restorer

SHRINK = 2


@architecture("ffdnet", task="picture_to_picture", input=(256, 256), channels=3, width=48, depth=8, levels=False)
class FFDNet(Restorer):
    """float [N,C,H,W] from 0 to 1, H and W even, and the noise level [N,1,H,W] -> [N,C,H,W]."""

    def __init__(self, channels: int, width: int, depth: int, levels: bool) -> None:
        super().__init__()
        self.levels = levels
        inputs = channels * SHRINK**2 + levels
        layers: list[nn.Module] = [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.tail = nn.Conv2d(width, channels * SHRINK**2, 3, padding=1)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: object) -> FFDNet:
        return cls(config.planes, config.width, config.depth, config.takes_level)

    @staticmethod
    def find_stride(config: Any) -> int:
        return SHRINK

    @staticmethod
    def find_overlap(config: Any) -> int:
        return SHRINK * int(config.depth)

    def forward(self, planes: Tensor, level: Tensor | None = None) -> Tensor:
        small = functional.pixel_unshuffle(planes, SHRINK)
        if self.levels:
            assert level is not None
            small = torch.cat([small, level[:, :, ::SHRINK, ::SHRINK]], 1)
        return planes - functional.pixel_shuffle(self.tail(self.body(small)), SHRINK)
