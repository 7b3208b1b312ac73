"""Classifiers without their head, as backbones of detectors and segmenters. Names and shapes stay torchvision's.

So `init` takes weights that others published for the classifier. The networks take pixels as these were trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.mobilenet_v2 import MobileNetV2
from convoy_training.models.resnet import ResNet

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, RGB, 0 to 1: what the published classifiers were trained with."""


class Backbone(nn.Module):
    """float RGB [N,3,H,W] in 0..1, sides multiples of 32 -> features at strides 2, 4, 8, 16 and 32.

    channels: of each.
    """

    channels: tuple[int, ...]
    mean: Tensor
    deviation: Tensor

    def adjust(self, x: Tensor) -> Tensor:
        """Pixels of zero mean and unit deviation, by ImageNet's numbers."""
        mean, deviation = (torch.tensor(numbers, device=x.device)[:, None, None] for numbers in (MEAN, DEVIATION))
        return (x - mean) / deviation


class ResNetBackbone(Backbone, ResNet):
    """A ResNet's convolutions."""

    def __init__(self, depth: int) -> None:
        ResNet.__init__(self, depth)
        del self.fc
        last = (64, 128, 256, 512) if depth < 50 else (256, 512, 1024, 2048)
        self.channels = (64, *last)

    def forward(self, x: Tensor) -> list[Tensor]:  # type: ignore[override]
        x = functional.relu(self.bn1(self.conv1(self.adjust(x))))
        features = [x]
        x = functional.max_pool2d(x, 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


class MobileNetV2Backbone(Backbone, MobileNetV2):
    """MobileNetV2's blocks, without the last 1x1 convolution."""

    ends = (1, 3, 6, 13, 17)
    channels = (16, 24, 32, 96, 320)

    def __init__(self) -> None:
        MobileNetV2.__init__(self)
        del self.classifier, self.features[18]

    def forward(self, x: Tensor) -> list[Tensor]:  # type: ignore[override]
        x, features = self.adjust(x), []
        for place, block in enumerate(self.features):
            x = block(x)
            if place in self.ends:
                features.append(x)
        return features


BACKBONES: Mapping[str, Callable[[], Backbone]] = {
    "resnet18": lambda: ResNetBackbone(18),
    "resnet34": lambda: ResNetBackbone(34),
    "resnet50": lambda: ResNetBackbone(50),
    "mobilenet-v2": MobileNetV2Backbone,
}
