"""Mixup and CutMix: trains on two pictures in one, and on both their labels by the shares that they have in it.

Sources: Zhang et al. 2018, arXiv:1710.09412; Yun et al. 2019, arXiv:1905.04899.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def mix(images: Tensor, alpha: float) -> tuple[Tensor, Tensor, float]:
    """Mixes images [N,...] in pairs: share * image + (1 - share) * partner, the share drawn from Beta(alpha, alpha).

    Returns the mixed images, the rows of the partners [N] and the share. Draws come from torch's global generator.
    """
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    partners = torch.randperm(len(images), device=images.device)
    return share * images + (1 - share) * images[partners], partners, share


def cut_and_mix(images: Tensor, alpha: float) -> tuple[Tensor, Tensor, float]:
    """Pastes a rectangle of a partner into each image [N,C,H,W], at the place where it lies there.

    Its share of the area is drawn from Beta(alpha, alpha), its centre anywhere; what sticks out is cut off. Returns as
    `mix`; the share is that of the pixels which are left.
    """
    drawn = float(torch.distributions.Beta(alpha, alpha).sample())
    partners = torch.randperm(len(images), device=images.device)
    height, width = images.shape[2:]
    side = (1 - drawn) ** 0.5
    y, x = (int(torch.randint(size, ())) for size in (height, width))
    top, low = max(0, y - round(side * height / 2)), min(height, y + round(side * height / 2))
    left, right = max(0, x - round(side * width / 2)), min(width, x + round(side * width / 2))
    mixed = images.clone()
    mixed[:, :, top:low, left:right] = images[partners, :, top:low, left:right]
    return mixed, partners, 1 - (low - top) * (right - left) / (height * width)


def mix_either(images: Tensor, mixup: float, cutmix: float) -> tuple[Tensor, Tensor, float]:
    """Mixes by the one whose alpha is above 0, by either half of the time if both are, or not at all."""
    if mixup and cutmix:
        mixup, cutmix = (mixup, 0.0) if torch.rand(()) < 0.5 else (0.0, cutmix)
    if mixup:
        return mix(images, mixup)
    if cutmix:
        return cut_and_mix(images, cutmix)
    return images, torch.arange(len(images), device=images.device), 1.0


def mix_losses(loss: Loss, logits: Tensor, labels: Tensor, partners: Tensor, share: float) -> Tensor:
    """The losses for both labels, summed with the weights of the pictures: that of a soft label."""
    return share * loss(logits, labels) + (1 - share) * loss(logits, labels[partners])
