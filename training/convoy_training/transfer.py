"""Transfer learning: start from published weights, and train all of the network or its last parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convoy_training.errors import CheckpointError, RecipeError


def load_weights(model: nn.Module, file: Path) -> None:
    """Loads a state dict by name; only the last layer may differ in shape (another number of classes), and stays new.

    Raises CheckpointError where the file cannot be read or is of another architecture.
    """
    try:
        weights: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever a damaged file makes its parsers raise
        raise CheckpointError(f"{file} is not a state dict: {str(error).splitlines()[0]}") from error
    own = model.state_dict()
    head = {name for name in own if name.startswith(f"{find_head(model)}.")}
    other = {name for name in own if name in weights and weights[name].shape != own[name].shape}
    # A published file may carry what this network was built without, such as GoogLeNet's auxiliary heads.
    if missing := sorted(set(own) - set(weights) - {n for n in own if n.endswith("num_batches_tracked")}):
        raise CheckpointError(f"{file} is of another architecture: it has no {missing[0]}")
    if wrong := sorted(other - head):
        shapes = f"{tuple(weights[wrong[0]].shape)}, not {tuple(own[wrong[0]].shape)}"
        raise CheckpointError(f"{file} is of another architecture: {wrong[0]} is {shapes}")
    model.load_state_dict({n: w for n, w in weights.items() if n in own and n not in other}, strict=False)


def find_head(model: nn.Module) -> str:
    """The name of the last fully connected layer, auxiliary ones aside."""
    return [name for name, m in model.named_modules() if isinstance(m, nn.Linear) and not name.startswith("aux")][-1]


def freeze(model: nn.Module, trainable: Sequence[str]) -> None:
    """Keeps every parameter whose name does not start with one of `trainable`; none given, all are trained."""
    if not trainable:
        return
    for prefix in trainable:
        if not any(_belongs(name, [prefix]) for name, _ in model.named_parameters()):
            parts = ", ".join(name for name, _ in model.named_children())
            raise RecipeError(f"trainable: the network has no part '{prefix}'; its parts are {parts}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and _belongs(name, trainable))
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d) and not _belongs(name, trainable):
            module.register_forward_pre_hook(_stay_in_use)


def _belongs(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _stay_in_use(module: nn.Module, inputs: Any) -> None:
    """A frozen normalisation keeps the statistics that it came with."""
    module.eval()
