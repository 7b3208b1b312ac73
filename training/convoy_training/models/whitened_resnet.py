"""A residual network for small images, sized for a CPU.

Its residual blocks follow He et al. 2016 (arXiv:1512.03385). Two ideas from the public CIFAR speed runs make it learn
in few epochs: the filters of the first layer are the whitened principal patches of the data and stay frozen, and each
widening convolution is pooled at once (Page, "How to train your ResNet", 2018; Jordan, arXiv:2404.00498).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture


class Block(nn.Module):
    """Convolves to `outputs` channels and halves, then refines with `refinements` convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, refinements: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.widen_norm = nn.BatchNorm2d(outputs)
        self.refine = nn.ModuleList(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False) for _ in range(refinements))
        self.refine_norm = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(refinements))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.widen_norm(functional.max_pool2d(self.widen(x), 2)))
        y = x
        for convolve, normalise in zip(self.refine, self.refine_norm, strict=True):
            y = functional.relu(normalise(convolve(y)))
        return x + y


@architecture(
    "whitened-resnet", task="classification", classes=10, input=(32, 32), widths=(32, 128, 256), refinements=(1, 2, 2)
)
class WhitenedResNet(nn.Module):
    """float RGB [N,3,32,32], normalised -> logits [N,classes]."""

    def __init__(self, classes: int, widths: Sequence[int], refinements: Sequence[int]) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad_(False)
        channels = [24, *widths]
        self.blocks = nn.Sequential(
            *(Block(a, b, n) for a, b, n in zip(channels, widths, refinements, strict=False)),
        )
        self.classifier = nn.Linear(widths[-1], classes, bias=False)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: Callable[[], Tensor]) -> WhitenedResNet:
        model = cls(classes, config.widths, config.refinements)
        model.set_whitening(look())
        return model

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(functional.relu(self.whiten(x)))
        # The maximum grows with the width of the layer; an eighth of it keeps the softmax flat at the start.
        return self.classifier(x.amax(dim=(2, 3))) / 8

    @torch.no_grad()
    def set_whitening(self, images: Tensor) -> None:
        """Sets the first layer to the eigenvectors of the 2x2 patches of `images` [N,3,H,W], at unit variance."""
        patches = functional.unfold(images, 2).transpose(1, 2).reshape(-1, 12)
        values, vectors = torch.linalg.eigh(torch.cov(patches.T))
        filters = (vectors / (values + 5e-4).sqrt()).T.reshape(12, 3, 2, 2)
        self.whiten.weight.copy_(torch.cat([filters, -filters]))
