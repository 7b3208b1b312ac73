"""Mixup (Zhang et al. 2018, arXiv:1710.09412): train on weighted sums of two pictures, and of their losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def mix(images: Tensor, alpha: float) -> tuple[Tensor, Tensor, float]:
    """Images [N,...] mixed pairwise: share * image + (1 - share) * partner, share from Beta(alpha, alpha).

    Returns the mixed images, the rows of the partners [N] and the share. Randomness is torch's global generator.
    """
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    partners = torch.randperm(len(images), device=images.device)
    return share * images + (1 - share) * images[partners], partners, share


def mix_losses(loss: Loss, logits: Tensor, labels: Tensor, partners: Tensor, share: float) -> Tensor:
    """The loss with respect to both labels, weighted as the pictures are."""
    return share * loss(logits, labels) + (1 - share) * loss(logits, labels[partners])
