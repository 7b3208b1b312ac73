"""A smooth absolute difference (Charbonnier et al. 1994), which keeps edges sharper than the squared one."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-3


def compute_charbonnier(answer: Tensor, truth: Tensor) -> Tensor:
    """The mean of sqrt(d^2 + epsilon^2) over all pixels; both are planes of the same shape, 0 to 1."""
    return torch.sqrt((answer - truth).square() + EPSILON**2).mean()
