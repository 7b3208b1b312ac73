"""Network in Network (Lin et al. 2014, arXiv:1312.4400), for CIFAR: 1x1 convolutions, global average pooling."""

from __future__ import annotations

from torch import Tensor, nn

from convoy_training.models.architecture import architecture


class Perceptron(nn.Sequential):
    """A convolution followed by two 1x1 convolutions: a small perceptron that slides over the picture."""

    def __init__(self, inputs: int, widths: tuple[int, int, int], kernel: int) -> None:
        first, second, third = widths
        super().__init__(
            *(nn.Conv2d(inputs, first, kernel, padding=kernel // 2), nn.ReLU()),
            *(nn.Conv2d(first, second, 1), nn.ReLU()),
            *(nn.Conv2d(second, third, 1), nn.ReLU()),
        )


@architecture("nin", task="classification", classes=10, input=(32, 32))
class NetworkInNetwork(nn.Module):
    """float [N,3,32,32] -> logits [N,classes]."""

    def __init__(self, classes: int = 10, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(Perceptron(3, (192, 160, 96), 5), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Dropout(dropout)),
            *(Perceptron(96, (192, 192, 192), 5), nn.AvgPool2d(3, 2, ceil_mode=True), nn.Dropout(dropout)),
            Perceptron(192, (192, 192, classes), 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x).mean((2, 3))
