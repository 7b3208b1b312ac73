"""What a published classifier computes around its network: pixels in, probabilities out, of one look or several."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ENLARGED = 256 / 224
"""AlexNet looks at 224-pixel crops of a picture of 256 (Krizhevsky et al. 2012, section 4.1)."""


class Graph(nn.Module):
    """uint8 RGB [N,H,W,3] -> probabilities [N,C]; mean, deviation, mirror_average and crops are the recipe's."""

    def __init__(self, model: nn.Module, config: Any) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def forward(self, images: Tensor) -> Tensor:
        if self.config.crops == 1:
            return self._judge(normalise(images, self.config))
        crops = cut_crops(normalise(images, self.config), self.config.crops)
        judged: Tensor = self._judge(torch.cat(crops)).unflatten(0, (len(crops), -1))
        return judged.mean(0)

    def _judge(self, x: Tensor) -> Tensor:
        if self.config.mirror_average:
            (logits,) = answer(self.model, torch.cat([x, x.flip(3)]))
            both: Tensor = logits.unflatten(0, (2, -1))
            return both.mean(0).softmax(dim=1)
        (logits,) = answer(self.model, x)
        return logits.softmax(dim=1)


def cut_crops(x: Tensor, crops: int) -> list[Tensor]:
    """Of [N,3,H,W], enlarged by 256/224: the middle, the four corners, and for 10 all of them mirrored."""
    height, width = x.shape[2:]
    rows, columns = round(height * ENLARGED), round(width * ENLARGED)
    large = functional.interpolate(x, (rows, columns), mode="bilinear", align_corners=False)
    low, right = rows - height, columns - width
    corners = [(low // 2, right // 2), (0, 0), (0, right), (low, 0), (low, right)]
    cuts = [large[:, :, y : y + height, x : x + width] for y, x in corners]
    return cuts + ([cut.flip(3) for cut in cuts] if crops == 10 else [])


def normalise(images: Tensor, config: Any) -> Tensor:
    """uint8 RGB [N,H,W,3] -> float [N,3,H,W] of zero mean and unit variance."""
    mean, deviation = torch.tensor(config.mean), torch.tensor(config.deviation)
    pixels = (images.float() / 255 - mean.to(images.device)) / deviation.to(images.device)
    return pixels.permute(0, 3, 1, 2)


def show_pixels(planes: Tensor, config: Any) -> Tensor:
    """The inverse of `normalise`: pictures [N,H,W,3] in 0..255, as a teacher sees them."""
    mean, deviation = torch.tensor(config.mean), torch.tensor(config.deviation)
    return (planes.permute(0, 2, 3, 1) * deviation.to(planes.device) + mean.to(planes.device)) * 255


def answer(model: nn.Module, pixels: Tensor) -> tuple[Tensor, ...]:
    """The logits [N,C] of one head or, in training, of several. OverFeat's are averaged over its windows."""
    outputs = model(pixels)
    heads = outputs if isinstance(outputs, tuple) else (outputs,)
    return tuple(logits.mean((2, 3)) if logits.ndim == 4 else logits for logits in heads)
