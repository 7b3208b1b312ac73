"""ESPCN (Shi et al. 2016, arXiv:1609.05158): super-resolution at the low resolution, with a sub-pixel layer at the end.

It differs from the paper: it is deeper, and gives what is missing in the picture enlarged by repeated pixels.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.restorer import Restorer

HEAD = 5


@architecture("espcn", task="picture_to_picture", input=(256, 256), channels=3, width=32, depth=7, scale=2)
class ESPCN(Restorer):
    """float [N,C,H,W] from 0 to 1 -> [N,C,H x scale,W x scale]."""

    def __init__(self, channels: int, width: int, depth: int, scale: int) -> None:
        super().__init__()
        self.scale, self.channels = scale, channels
        layers: list[nn.Module] = [nn.Conv2d(channels, width, HEAD, padding=HEAD // 2), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.tail = nn.Conv2d(width, channels * scale**2, 3, padding=1)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: object) -> ESPCN:
        return cls(config.planes, config.width, config.depth, config.degrade.scale)

    @staticmethod
    def find_overlap(config: Any) -> int:
        # Two more than the network sees, for the bicubic interpolation that enlarges the colours.
        return HEAD // 2 + int(config.depth) + 1

    def forward(self, planes: Tensor, level: Tensor | None = None) -> Tensor:
        repeated = planes.repeat_interleave(self.scale**2, dim=1)
        return functional.pixel_shuffle(repeated + self.tail(self.body(planes)), self.scale)
