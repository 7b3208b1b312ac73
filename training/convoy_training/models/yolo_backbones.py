"""The YOLO of yolo.py on the backbones of published classifiers: yolo-resnet50, yolo-mobilenet-v2 and so on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convoy_training.models.architecture import architecture
from convoy_training.models.backbones import BACKBONES
from convoy_training.models.detector import Detector
from convoy_training.models.yolo import STRIDES, Conv, Head, Pyramid, decode_boxes, place_cells


class BackboneYolo(Detector):
    """RGB [N,3,H,W] in 0..1 -> as `Yolo`. widths: channels of the pyramid at strides 8, 16 and 32."""

    backbone_name: str

    def __init__(
        self, classes: int, backbone: str, widths: Sequence[int] = (64, 96, 128), head_width: int = 64
    ) -> None:
        super().__init__()
        self.backbone = BACKBONES[backbone]()
        self.narrow = nn.ModuleList(
            Conv(inputs, width, 1) for inputs, width in zip(self.backbone.channels[-3:], widths, strict=True)
        )
        self.pyramid = Pyramid(widths)
        self.heads = nn.ModuleList(Head(w, head_width, classes, s) for w, s in zip(widths, STRIDES, strict=True))

    @classmethod
    def from_recipe(cls, classes: int, config: Any, shapes: object) -> BackboneYolo:
        return cls(classes, cls.backbone_name, config.widths[-3:], config.head_width)

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        if len(config.widths) < len(STRIDES) or min(config.widths) < 2:
            raise ValueError(f"widths: give {len(STRIDES)} for the {config.architecture}, each at least 2")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found = self.backbone(x)[-3:]
        features = self.pyramid([narrow(f) for narrow, f in zip(self.narrow, found, strict=True)])
        logits, distances = zip(*(head(f) for head, f in zip(self.heads, features, strict=True)), strict=True)
        centres, strides = place_cells(features)
        boxes = decode_boxes(torch.cat(distances, 1), centres, strides)
        return torch.cat(logits, 1), boxes, centres, strides


for _name in BACKBONES:
    _kind = type(f"BackboneYolo_{_name}", (BackboneYolo,), {"backbone_name": _name, "__module__": __name__})
    architecture(f"yolo-{_name}", task="detection", classes=3, input=(256, 320), backbone=_name)(_kind)
