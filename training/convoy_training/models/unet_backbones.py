"""A U-Net whose contracting path is a published classifier: unet-resnet34, unet-mobilenet-v2 and so on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from convoy_training.models.architecture import architecture
from convoy_training.models.backbones import BACKBONES
from convoy_training.models.segmenter import Segmenter
from convoy_training.models.unet import Expand

LEVELS = 5


class BackboneUNet(Segmenter):
    """float RGB [N,3,H,W] as segmentation normalises it, sides multiples of 32 -> logits [N,classes,H,W].

    widths: channels of the expanding path at strides 2, 4, 8 and 16. shift, scale: take the task's normalisation back.
    """

    backbone_name: str

    def __init__(
        self, classes: int, backbone: str, widths: Sequence[int] = (16, 32, 64, 128), dropout: float = 0.0,
        shift: Sequence[float] = (0.0, 0.0, 0.0), scale: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.shift, self.scale = tuple(shift), scale
        self.backbone = BACKBONES[backbone]()
        self.dropout = nn.Dropout2d(dropout)
        across = self.backbone.channels[:-1]
        deep = [*widths[: len(across)], self.backbone.channels[-1]]
        self.up = nn.ModuleList(
            Expand(below, beside, width)
            for (width, below), beside in reversed(list(zip(pairwise(deep), across, strict=True)))
        )
        self.head = nn.ConvTranspose2d(widths[0], classes, 4, stride=2, padding=1)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, look: object) -> BackboneUNet:
        mean, deviation = cls.normalisation
        shift = [value / 255 for value in mean]
        return cls(classes, cls.backbone_name, config.widths, config.dropout, shift, deviation / 255)

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        if len(config.widths) < LEVELS - 1:
            raise ValueError(f"widths: give {LEVELS - 1} for the {config.architecture}")

    def forward(self, x: Tensor) -> Tensor:
        features = self.backbone(x * self.scale + torch.tensor(self.shift, device=x.device)[:, None, None])
        x = self.dropout(features.pop())
        for up in self.up:
            x = up(x, features.pop())
        return self.head(x)


for _name in BACKBONES:
    _kind = type(f"BackboneUNet_{_name}", (BackboneUNet,), {"backbone_name": _name, "__module__": __name__})
    architecture(f"unet-{_name}", task="segmentation", classes=11, input=(384, 480), backbone=_name)(_kind)
