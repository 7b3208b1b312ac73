"""The ResNets of section 4.2 of He et al. 2016 (arXiv:1512.03385), for 32x32 pictures: 20, 32, 44, 56, 110 layers.

The plain nets of the same section are the same layers without shortcuts: the deeper ones train worse.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut without parameters: every second pixel, new channels zero (option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: bool = True) -> None:
        super().__init__()
        self.stride, self.added, self.shortcut = stride, outputs - inputs, shortcut
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if not self.shortcut:
            return functional.relu(y)
        if self.added or self.stride > 1:
            before = self.added // 2
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.added - before))
        return functional.relu(y + x)


class CifarResNet(nn.Module):
    """float [N,3,32,32] -> logits [N,classes]; `depth` is 6n + 2, `width` scales the channels."""

    def __init__(self, depth: int, classes: int = 10, width: float = 1.0, shortcuts: bool = True) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if rest or blocks < 1:
            raise ValueError(f"the depth of a CIFAR ResNet is 6n + 2, not {depth}")
        widths = [max(2, round(channels * width)) for channels in (16, 32, 64)]
        inputs = widths[0]
        self.conv = nn.Conv2d(3, inputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(inputs)
        layers: list[nn.Module] = []
        for stage, outputs in enumerate(widths):
            for block in range(blocks):
                layers.append(Block(inputs, outputs, 2 if stage and not block else 1, shortcuts))
                inputs = outputs
        self.blocks = nn.Sequential(*layers)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(functional.relu(self.bn(self.conv(x)))).mean((2, 3)))


_cifar = partial(architecture, task="classification", classes=10, input=(32, 32))
for _depth in (20, 32, 44, 56, 110):
    _cifar(f"cifar-resnet{_depth}", depth=_depth)(CifarResNet)
    _cifar(f"cifar-plain{_depth}", depth=_depth, shortcuts=False)(CifarResNet)
