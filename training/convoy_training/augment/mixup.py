"""Mixup (Zhang et al. 2018, arXiv:1710.09412): trains on weighted sums of two pictures and of their losses."""

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


def mix_losses(loss: Loss, logits: Tensor, labels: Tensor, partners: Tensor, share: float) -> Tensor:
    """The losses for both labels, summed with the weights of the pictures."""
    return share * loss(logits, labels) + (1 - share) * loss(logits, labels[partners])
