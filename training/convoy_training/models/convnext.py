"""ConvNeXt (Liu et al. 2022, arXiv:2201.03545). Names and shapes are torchvision's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture

# Channels and blocks of the four stages, and the largest chance that a block is skipped (the paper's table 5).
SIZES: dict[str, tuple[tuple[int, ...], tuple[int, ...], float]] = {
    "tiny": ((96, 192, 384, 768), (3, 3, 9, 3), 0.1),
    "small": ((96, 192, 384, 768), (3, 3, 27, 3), 0.4),
    "base": ((128, 256, 512, 1024), (3, 3, 27, 3), 0.5),
}


class LayerNorm2d(nn.LayerNorm):
    """Normalises the channels of each pixel of [N,C,H,W]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Permute(nn.Module):
    """Exchanges axes."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.axes)


class Block(nn.Module):
    """Depthwise 7x7, layer normalisation, four times the width and back, scaled by channel, around a shortcut."""

    def __init__(self, width: int, skipped: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 7, padding=3, groups=width), Permute(0, 2, 3, 1), nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), Permute(0, 3, 1, 2),
        )  # fmt: skip
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))
        self.skipped = skipped

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer_scale * self.block(x)
        if self.training and self.skipped:  # stochastic depth, by picture
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.skipped
            y = y * kept / (1 - self.skipped)
        return x + y


class ConvNeXt(nn.Module):
    """float [N,3,224,224] -> logits [N,classes]."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int], skipped: float, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), LayerNorm2d(widths[0], eps=1e-6))]
        made, blocks = 0, sum(depths)
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            chances = [skipped * (made + place) / (blocks - 1) for place in range(depth)]
            layers.append(nn.Sequential(*(Block(width, chance) for chance in chances)))
            made += depth
            if stage + 1 < len(widths):
                down = nn.Conv2d(width, widths[stage + 1], 2, 2)
                layers.append(nn.Sequential(LayerNorm2d(width, eps=1e-6), down))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            LayerNorm2d(widths[-1], eps=1e-6), nn.Flatten(1), nn.Linear(widths[-1], classes)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(functional.adaptive_avg_pool2d(self.features(x), 1))


for _name, (_widths, _depths, _skipped) in SIZES.items():
    architecture(
        f"convnext-{_name}", task="classification", classes=1000, input=(224, 224), widths=_widths, depths=_depths,
        skipped=_skipped,
    )(ConvNeXt)  # fmt: skip
