"""Single-object localisation: whether there is an object, where, and of which class; one answer per picture.

The output is the vector (p_c, b_x, b_y, b_h, b_w, c_1 ... c_C) of classification with localisation (Ng, Convolutional
Neural Networks, week 3; Sermanet et al. 2014, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from convoy_training.losses.localisation import Location
from convoy_training.models.architecture import architecture


@architecture("localiser", task="localisation", classes=3, input=(224, 224))
class Localiser(nn.Module):
    """float RGB [N,3,H,W] -> `Location`; H and W are multiples of 2 ** len(widths)."""

    def __init__(self, classes: int, widths: Sequence[int] = (16, 32, 64, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip([3, *widths], widths, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        # A map of 4x4 still knows where things are; a global mean would not.
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Linear(16 * widths[-1], 5 + classes)

    def forward(self, x: Tensor) -> Location:
        answer = self.head(self.pool(self.features(x)).flatten(1))
        return Location(answer[:, 0], torch.sigmoid(answer[:, 1:5]), answer[:, 5:])
