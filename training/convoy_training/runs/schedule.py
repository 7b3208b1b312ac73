"""How weights move: the optimizer, its learning rate over the steps, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from convoy_training.recipe import Config, Optimizer
from convoy_training.runs.muon import Muon


def build_optimizer(model: nn.Module, config: Optimizer) -> torch.optim.Optimizer:
    """The optimizer of a recipe. Weight decay acts on convolutions and matrices, not on biases and normalisations."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.name == "muon":
        groups[0]["orthogonal"] = True
        return Muon(groups, lr=config.lr, momentum=config.momentum)
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr)
    nesterov = config.nesterov and config.momentum > 0
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov)


def build_scheduler(
    optimizer: torch.optim.Optimizer, config: Optimizer, steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """A linear warm-up over the first `warmup_fraction` of the steps, then half a cosine (Loshchilov & Hutter 2017)."""
    warmup = max(1, round(steps * config.warmup_fraction))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        return config.final_lr_fraction + (1 - config.final_lr_fraction) * 0.5 * (1 + math.cos(math.pi * progress))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def build_average(model: nn.Module, config: Config) -> AveragedModel | None:
    """The moving average of a recipe's weights; None if it has none."""
    if config.ema_decay is None:
        return None
    return AveragedModel(model, multi_avg_fn=build_average_step(config.ema_decay), use_buffers=True)


def build_average_step(decay: float) -> Callable[[Any, Any, Tensor | int], None]:
    """An exponential moving average whose decay rises to `decay`: it is min(decay, (1 + n) / (10 + n)) after n updates.

    Without the rise the untrained first weights would keep a share of decay^n, which is large at the end of a short
    run. Source: TensorFlow's ExponentialMovingAverage (`num_updates`).
    """

    def step(averages: Any, current: Any, updates: Tensor | int) -> None:
        count = int(updates)
        get_ema_multi_avg_fn(min(decay, (1 + count) / (10 + count)))(averages, current, updates)

    return step
