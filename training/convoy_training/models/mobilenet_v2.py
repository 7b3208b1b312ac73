"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381). Names and shapes are torchvision's."""

from __future__ import annotations

from torch import Tensor, nn

from convoy_training.models.architecture import architecture

# Expansion, output channels, blocks, stride of the first (the paper's table 2).
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor` that is at least 90 % of `channels`."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation, ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())


class InvertedResidual(nn.Module):
    """1x1 up, depthwise 3x3, 1x1 down without activation; with a shortcut if the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *([ConvNorm(inputs, hidden, 1)] if expansion != 1 else []),
            ConvNorm(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.shortcut else self.conv(x)


@architecture("mobilenet-v2", task="classification", classes=1000, input=(224, 224))
class MobileNetV2(nn.Module):
    """float [N,3,224,224] -> logits [N,classes]; `width` scales every layer's channels."""

    def __init__(self, classes: int = 1000, width: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        inputs, last = make_divisible(32 * width), make_divisible(1280 * max(1.0, width))
        layers: list[nn.Module] = [ConvNorm(3, inputs, 3, stride=2)]
        for expansion, channels, blocks, stride in STAGES:
            outputs = make_divisible(channels * width)
            for block in range(blocks):
                layers.append(InvertedResidual(inputs, outputs, stride if block == 0 else 1, expansion))
                inputs = outputs
        self.features = nn.Sequential(*layers, ConvNorm(inputs, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))
