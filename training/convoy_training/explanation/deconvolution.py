"""Projects what excites a unit back to the pixels, and rebuilds pictures from what a layer keeps of them.

The projection is the deconvolution of Zeiler and Fergus 2014: filters transposed, maxima put back where they came from
(the switches), and each ReLU applied on the way back. Except for the ReLU a gradient does the same, so autograd does it
with another ReLU (Springenberg et al. 2015, section 3.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

STEPS = 60
SMOOTHNESS = 0.02
_RELUS = {functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}


class _Rectify(torch.autograd.Function):
    """A ReLU that is a ReLU on the way back too, whatever came in on the way forward."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(context: Any, *back: Tensor) -> Tensor:
        return back[0].clamp(min=0)


class _Rectified(TorchFunctionMode):
    """Within this block, every ReLU is one on the way back too."""

    def __torch_function__(  # type: ignore[no-untyped-def]
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ):
        if function in _RELUS:
            return _Rectify.apply(args[0])  # type: ignore[no-untyped-call]
        return function(*args, **(kwargs or {}))


def run_to(model: nn.Module, layer: str, pixels: Tensor) -> Tensor:
    """What a layer answers, [N,C,H,W], for normalised pictures [N,3,H,W]."""
    kept: list[Tensor] = []
    hook = model.get_submodule(layer).register_forward_hook(lambda _, __, output: kept.append(output))
    try:
        model(pixels)
    finally:
        hook.remove()
    return kept[-1]


def project(model: nn.Module, layer: str, pixels: Tensor, channel: int, row: int, column: int) -> Tensor:
    """Projects one unit of a layer back to the pixels [3,H,W] of a normalised picture [3,H,W]."""
    source = pixels[None].detach().clone().requires_grad_()
    with _Rectified():
        unit = run_to(model, layer, source)[0, channel, row, column]
        (back,) = torch.autograd.grad(unit, source)
    return back[0]


def rebuild(model: nn.Module, layer: str, pixels: Tensor, seed: int = 0) -> Tensor:
    """A smooth picture [3,H,W] of which a layer keeps what it keeps of this one (Mahendran and Vedaldi 2015)."""
    with torch.no_grad():
        wanted = run_to(model, layer, pixels[None])
    scale = wanted.square().mean() + 1e-9
    random = torch.Generator().manual_seed(seed)
    guess = (0.1 * torch.randn(pixels.shape, generator=random)).requires_grad_()
    steps = torch.optim.Adam([guess], lr=0.1)
    for _ in range(STEPS):
        steps.zero_grad()
        off = (run_to(model, layer, guess[None]) - wanted).square().mean() / scale
        rough = guess.diff(dim=1).square().mean() + guess.diff(dim=2).square().mean()
        torch.autograd.backward(off + SMOOTHNESS * rough, inputs=[guess])
        steps.step()
    return guess.detach()
