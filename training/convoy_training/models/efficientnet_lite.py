"""EfficientNet-Lite0, for processors without squeeze and excitation (Liu 2020, blog.tensorflow.org, EfficientNet-Lite).

It is EfficientNet-B0 with ReLU6 in place of SiLU and without squeeze and excitation. Convolutions with a stride pad as
TensorFlow does, for which the weights were trained: one pixel more at the right and below. Batch normalisation has
TensorFlow's constants.
"""

from __future__ import annotations

from torch import Tensor, nn

from convoy_training.models.architecture import architecture
from convoy_training.models.efficientnet import STAGES

EPSILON, MOMENTUM = 1e-3, 0.01


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation and, with `activate`, ReLU6. The input's sides are even if there is a stride."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, activate: bool = True
    ) -> None:
        even = stride == 1
        before = (kernel - stride) // 2
        padding: list[nn.Module] = [] if even else [nn.ZeroPad2d((before, kernel - stride - before) * 2)]
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if even else 0, groups=groups, bias=False)
        norm = nn.BatchNorm2d(outputs, eps=EPSILON, momentum=MOMENTUM)
        super().__init__(*padding, convolution, norm, *([nn.ReLU6()] if activate else []))


class Block(nn.Module):
    """1x1 up, depthwise, 1x1 down without activation; with a shortcut if the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        self.block = nn.Sequential(
            *([ConvNorm(inputs, hidden, 1)] if expansion != 1 else []),
            ConvNorm(hidden, hidden, kernel, stride, groups=hidden),
            ConvNorm(hidden, outputs, 1, activate=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.shortcut else self.block(x)


@architecture("efficientnet-lite0", task="classification", classes=1000, input=(224, 224))
class EfficientNetLite(nn.Module):
    """float [N,3,H,W], H and W multiples of 32 -> logits [N,classes]."""

    def __init__(self, classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNorm(3, STAGES[0][3], 3, stride=2)]
        for expansion, kernel, stride, inputs, outputs, blocks in STAGES:
            for block in range(blocks):
                first = block == 0
                layers.append(Block(inputs if first else outputs, outputs, kernel, stride if first else 1, expansion))
        self.features = nn.Sequential(*layers, ConvNorm(320, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))
