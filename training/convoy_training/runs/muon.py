"""Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): every step of a matrix is made orthogonal.

The step of a matrix then has no weak directions, so a network learns more from each batch. A convolution counts as the
matrix of its output channels. Biases, normalisations and scales are no matrices: AdamW moves them. torch.optim.Muon
takes matrices alone, so it trains no convolution.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial a x + b x^3 + c x^5: five iterations bring all singular values near 1 (the same source)."""
ITERATIONS = 5
RMS = 0.2
"""The root mean square that a step is given: about AdamW's, so its learning rates and weight decays hold here too
(Liu et al. 2025, arXiv:2502.16982)."""


class Muon(torch.optim.AdamW):
    """AdamW whose groups with `orthogonal: True` take orthogonal steps with momentum.

    The weights of such groups have two axes or more.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(groups, lr=lr)
        for group in self.param_groups:
            group["momentum"] = momentum

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Moves the matrices; AdamW moves the rest, since the gradients that have been used are gone."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if not group.get("orthogonal"):
                continue
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight.grad)
                    state["step"] = torch.tensor(0.0)  # AdamW looks for it when a checkpoint is loaded
                mean = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                step = orthogonalise(weight.grad.add(mean, alpha=group["momentum"]).flatten(1))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                scale = RMS * math.sqrt(max(step.shape))
                weight.add_(step.view_as(weight), alpha=-group["lr"] * scale)
                weight.grad = None
        super().step()
        return loss


def orthogonalise(matrix: Tensor) -> Tensor:
    """[A,B] -> the matrix with the same singular vectors, whose singular values lie near 1 (Newton-Schulz)."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide.float() / wide.float().norm().clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    made: Tensor = x if wide is matrix else x.T
    return made.to(matrix.dtype).contiguous()
