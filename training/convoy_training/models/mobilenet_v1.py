"""MobileNet (Howard et al. 2017, arXiv:1704.04861): depthwise separable convolutions, and a width multiplier."""

from __future__ import annotations

from torch import Tensor, nn

from convoy_training.models.architecture import architecture

# Output channels and stride of the thirteen separable convolutions (the paper's table 1).
SEPARABLE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


@architecture("mobilenet-v1", task="classification", classes=1000, input=(224, 224))
class MobileNetV1(nn.Module):
    """float [N,3,224,224] -> logits [N,classes]; `width` scales every layer's channels."""

    def __init__(self, classes: int = 1000, width: float = 1.0, dropout: float = 1e-3) -> None:
        super().__init__()
        inputs = int(32 * width)
        layers: list[nn.Module] = [ConvNorm(3, inputs, 3, stride=2)]
        for channels, stride in SEPARABLE:
            outputs = int(channels * width)
            layers += [ConvNorm(inputs, inputs, 3, stride, groups=inputs), ConvNorm(inputs, outputs, 1)]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))
