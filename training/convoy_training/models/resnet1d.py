"""A residual network in one dimension, for signals (after Wang et al. 2017, arXiv:1611.06455, smaller and strided)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture


class Block(nn.Module):
    """Two convolutions around a shortcut; the first halves the number of samples."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(inputs, outputs, kernel, 2, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm1d(outputs)
        self.conv2 = nn.Conv1d(outputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn2 = nn.BatchNorm1d(outputs)
        self.shortcut = nn.Conv1d(inputs, outputs, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + self.shortcut(x))


@architecture("resnet1d", task="signal_classification", classes=4, input=(1000,), widths=(12, 16, 16, 24, 32), kernel=7)
class ResNet1d(nn.Module):
    """float [N,channels,samples], normalised -> logits [N,classes]. The first of `widths` is that of the stem."""

    def __init__(self, classes: int, widths: Sequence[int], kernel: int, channels: int = 3) -> None:
        super().__init__()
        stem = 2 * kernel + 1
        self.stem = nn.Conv1d(channels, widths[0], stem, 2, stem // 2, bias=False)
        self.norm = nn.BatchNorm1d(widths[0])
        self.blocks = nn.Sequential(*(Block(inputs, outputs, kernel) for inputs, outputs in pairwise(widths)))
        self.fc = nn.Linear(widths[-1], classes)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: Callable[[], Tensor]) -> ResNet1d:
        return cls(classes, config.widths, config.kernel, look().shape[1])

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(functional.relu(self.norm(self.stem(x)))).mean(2))
