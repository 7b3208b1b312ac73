"""AlexNet as its paper has it (Krizhevsky, Sutskever & Hinton 2012): two towers, and normalisation across channels.

Each tower ran on a GPU of its own; here it is a group of the convolution. The paper says pictures of 224 pixels, but
its map of 55x55 after the first layer needs 227.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture

NEIGHBOURS, BIAS, ALPHA, BETA = 5, 2.0, 1e-4, 0.75


class AcrossChannels(nn.Module):
    """Divides each activation by those of the neighbouring channels (section 3.3).

    PyTorch's LocalResponseNorm divides alpha by their number; the paper does not.
    """

    def forward(self, x: Tensor) -> Tensor:
        half = NEIGHBOURS // 2
        squares = functional.pad(x * x, (0, 0, 0, 0, half, half))
        parts = [squares[:, shift : shift + x.shape[1]] for shift in range(NEIGHBOURS)]
        return x / (BIAS + ALPHA * torch.stack(parts).sum(0)) ** BETA


@architecture("alexnet-paper", task="classification", classes=1000, input=(227, 227))
class PaperAlexNet(nn.Module):
    """float [N,3,227,227] -> logits [N,classes]."""

    def __init__(self, classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), AcrossChannels(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), AcrossChannels(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        )
        self.classifier = nn.Sequential(
            *(nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
            *(nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU()),
            nn.Linear(4096, classes),
        )
        self._start_as_in_section_5()

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))

    def _start_as_in_section_5(self) -> None:
        """Weights from N(0, 0.01); biases of 1 where ReLUs should begin with positive numbers."""
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        for place, layer in enumerate(layers):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, 1.0 if place in (1, 3, 4, 5, 6) else 0.0)
