"""What a picture costs that should show the content of one picture in the style of another (Gatys et al. 2015).

arXiv:1508.06576. The content is compared as features of a layer, the style as Gram matrices of several layers; total
variation holds noise down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor, nn


class _Enough(Exception):
    """All named layers have answered."""


class Weights(NamedTuple):
    """How much each part counts. style: of each layer by its name."""

    content: float
    style: Mapping[str, float]
    variation: float


class StyleCost(nn.Module):
    """A frozen network that judges pictures float RGB [N,3,H,W] from 0 to 1.

    content, and the keys of weights.style: names of modules of `network`, as `named_modules` has them.
    Raises KeyError for another name.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, network: nn.Module, content: str, weights: Weights, mean: Sequence[float], deviation: Sequence[float]
    ) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.content, self.weights = content, weights
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None])
        self.names = {content, *weights.style}
        self.found: dict[str, Tensor] = {}
        modules = dict(network.named_modules())
        for name in self.names:
            modules[name].register_forward_hook(lambda _, given, answer, name=name: self._take(name, answer))

    def see(self, planes: Tensor) -> dict[str, Tensor]:
        """The features of the named layers."""
        self.found = {}
        with suppress(_Enough):
            self.network((planes - self.mean) / self.deviation)
        return self.found

    def _take(self, name: str, answer: Tensor) -> None:
        self.found[name] = answer
        if len(self.found) == len(self.names):
            raise _Enough  # the layers above cost time and say nothing

    def measure_style(self, planes: Tensor) -> dict[str, Tensor]:
        """The Gram matrices [N,C,C] of the style layers."""
        seen = self.see(planes)
        return {name: gram(seen[name]) for name in self.weights.style}

    def forward(self, planes: Tensor, content: Tensor, style: Mapping[str, Tensor]) -> Tensor:
        """The cost of each picture [N]. content: features of the content layer; style: Gram matrices by layer."""
        seen, weights = self.see(planes), self.weights
        cost = weights.content * (seen[self.content] - content).square().mean((1, 2, 3))
        for name, weight in weights.style.items():
            cost = cost + weight * (gram(seen[name]) - style[name]).square().sum((1, 2))
        rows, columns = planes.diff(dim=2).square().mean((1, 2, 3)), planes.diff(dim=3).square().mean((1, 2, 3))
        return cost + weights.variation * (rows + columns)


def gram(features: Tensor) -> Tensor:
    """The Gram matrices [N,C,C] of features [N,C,H,W]: mean products of channels, by the number of channels."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def optimise(cost: StyleCost, picture: Tensor, style: Mapping[str, Tensor], steps: int) -> Tensor:
    """Gatys' own way, the yardstick: L-BFGS on the pixels, from the content picture [1,3,H,W] on; cut to 0..1."""
    with torch.no_grad():
        content = cost.see(picture)[cost.content]
    planes = picture.clone(memory_format=torch.contiguous_format).requires_grad_(True)
    optimizer = torch.optim.LBFGS([planes], max_iter=steps, max_eval=steps * 5 // 4, history_size=20,
                                  tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")  # fmt: skip

    def judge() -> Tensor:
        optimizer.zero_grad()
        total = cost(planes, content, style).sum()
        total.backward()
        return total

    optimizer.step(judge)
    return planes.detach().clamp(0, 1)
