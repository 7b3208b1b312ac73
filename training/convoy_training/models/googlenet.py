"""GoogLeNet (Szegedy et al. 2015, arXiv:1409.4842) with batch normalisation. Names and shapes are torchvision's.

The paper's 5x5 branch is 3x3 in torchvision's published weights; `large_kernel` chooses between them.
`googlenet-paper` has it, and biases and normalisation across channels in the place of batch normalisation.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.alexnet_paper import AcrossChannels
from convoy_training.models.architecture import architecture

# Output channels: 1x1; 3x3 reduced, 3x3; 5x5 reduced, 5x5; after the pool (the paper's table 1).
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Conv(nn.Module):
    """Convolution, batch normalisation or a bias, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, batch_norm: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=not batch_norm)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3) if batch_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches over the same input, side by side; 1x1 convolutions make the wide ones affordable."""

    def __init__(self, inputs: int, widths: tuple[int, ...], large_kernel: int, batch_norm: bool = True) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = widths
        conv = partial(Conv, batch_norm=batch_norm)
        self.branch1 = conv(inputs, one, 1)
        self.branch2 = nn.Sequential(conv(inputs, reduce3, 1), conv(reduce3, three, 3, padding=1))
        large = conv(reduce5, five, large_kernel, padding=large_kernel // 2)
        self.branch3 = nn.Sequential(conv(inputs, reduce5, 1), large)
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), conv(inputs, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Auxiliary(nn.Module):
    """A classifier halfway up, which carries gradient to the lower layers in training."""

    def __init__(self, inputs: int, classes: int, dropout: float, batch_norm: bool = True) -> None:
        super().__init__()
        self.conv = Conv(inputs, 128, 1, batch_norm=batch_norm)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(functional.adaptive_avg_pool2d(x, 4)).flatten(1)
        return self.fc2(self.dropout(functional.relu(self.fc1(x))))


@architecture(
    "googlenet-paper",
    task="classification",
    classes=1000,
    input=(224, 224),
    large_kernel=5,
    batch_norm=False,
    dropout=0.4,
)
@architecture("googlenet", task="classification", classes=1000, input=(224, 224))
class GoogLeNet(nn.Module):
    """float [N,3,224,224] -> logits [N,classes]; in training also the logits of the two auxiliary heads."""

    training_only = ("aux1", "aux2")

    def __init__(
        self,
        classes: int = 1000,
        auxiliary: bool = True,
        large_kernel: int = 3,
        dropout: float = 0.2,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = Conv(3, 64, 7, stride=2, padding=3, batch_norm=batch_norm)
        self.conv2 = Conv(64, 64, 1, batch_norm=batch_norm)
        self.conv3 = Conv(64, 192, 3, padding=1, batch_norm=batch_norm)
        self.norm = nn.Identity() if batch_norm else AcrossChannels()
        inputs = 192
        for name, widths in INCEPTIONS.items():
            setattr(self, f"inception{name}", Inception(inputs, widths, large_kernel, batch_norm))
            inputs = widths[0] + widths[2] + widths[4] + widths[5]
        self.aux1 = Auxiliary(512, classes, 0.7, batch_norm) if auxiliary else None
        self.aux2 = Auxiliary(528, classes, 0.7, batch_norm) if auxiliary else None
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        x = self.norm(functional.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True))
        x = functional.max_pool2d(self.norm(self.conv3(self.conv2(x))), 3, 2, ceil_mode=True)
        hints = []
        for name in INCEPTIONS:
            x = getattr(self, f"inception{name}")(x)
            if name in ("3b", "4e"):
                x = functional.max_pool2d(x, 3 if name == "3b" else 2, 2, ceil_mode=True)
            if self.training and (head := {"4a": self.aux1, "4d": self.aux2}.get(name)) is not None:
                hints.append(head(x))
        logits = self.fc(self.dropout(x.mean((2, 3))))
        return (logits, hints[0], hints[1]) if hints else logits
