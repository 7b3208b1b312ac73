"""EfficientNet B0 to B7 (Tan & Le 2019, arXiv:1905.11946). Names and shapes are torchvision's."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.mobilenet_v2 import make_divisible

# Expansion, kernel, stride, input channels, output channels, blocks (the paper's table 1).
STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
# Width, depth, input pixels, dropout.
SCALES = (
    (1.0, 1.0, 224, 0.2),
    (1.0, 1.1, 240, 0.2),
    (1.1, 1.2, 288, 0.3),
    (1.2, 1.4, 300, 0.3),
    (1.4, 1.8, 380, 0.4),
    (1.6, 2.2, 456, 0.4),
    (1.8, 2.6, 528, 0.5),
    (2.0, 3.1, 600, 0.5),
)
SURVIVAL_DROP = 0.2


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation and, with `activate`, SiLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, activate: bool = True
    ) -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outputs), *([nn.SiLU()] if activate else []))


class SqueezeExcitation(nn.Module):
    """Weighs each channel by what the whole picture says (Hu et al. 2018, arXiv:1709.01507)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.fc2(functional.silu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * weights.sigmoid()


class MBConv(nn.Module):
    """1x1 up, depthwise, squeeze and excitation, 1x1 down; training skips the block at random.

    Source of this stochastic depth: Huang et al. 2016, arXiv:1603.09382.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, drop: float) -> None:
        super().__init__()
        hidden = make_divisible(inputs * expansion)
        self.shortcut, self.drop = stride == 1 and inputs == outputs, drop
        self.block = nn.Sequential(
            *([ConvNorm(inputs, hidden, 1)] if hidden != inputs else []),
            ConvNorm(hidden, hidden, kernel, stride, groups=hidden),
            SqueezeExcitation(hidden, max(1, inputs // 4)),
            ConvNorm(hidden, outputs, 1, activate=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(x)
        if not self.shortcut:
            return y
        if self.training and self.drop:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            y = y * kept / (1 - self.drop)
        return x + y


class EfficientNet(nn.Module):
    """float [N,3,S,S] -> logits [N,classes]; `scale` 0 to 7 chooses width, depth and S (see SCALES)."""

    def __init__(self, scale: int, classes: int = 1000) -> None:
        super().__init__()
        width, depth, _, dropout = SCALES[scale]
        counts = [math.ceil(stage[-1] * depth) for stage in STAGES]
        features: list[nn.Module] = [ConvNorm(3, make_divisible(32 * width), 3, stride=2)]
        done = 0
        for (expansion, kernel, stride, inputs, outputs, _), count in zip(STAGES, counts, strict=True):
            before, after = make_divisible(inputs * width), make_divisible(outputs * width)
            blocks = []
            for block in range(count):
                drop = SURVIVAL_DROP * done / sum(counts)
                first = block == 0
                blocks.append(
                    MBConv(before if first else after, after, kernel, stride if first else 1, expansion, drop)
                )
                done += 1
            features.append(nn.Sequential(*blocks))
        last = make_divisible(320 * width)
        self.features = nn.Sequential(*features, ConvNorm(last, 4 * last, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * last, classes))
        if scale >= 5:
            _set_norm(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


def _set_norm(model: nn.Module) -> None:
    """Sets the constants with which TensorFlow trained the three largest networks; torchvision keeps them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps, module.momentum = 1e-3, 0.01


for _scale, (_, _, _side, _) in enumerate(SCALES):
    architecture(f"efficientnet-b{_scale}", task="classification", classes=1000, input=(_side, _side), scale=_scale)(
        EfficientNet
    )
