"""Transfer learning: takes over the weights of another network, and freezes the parts that are not to be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from convoy_training.errors import CheckpointError, RecipeError

WRAPPED = "module."
STATISTICS = ("running_mean", "running_var")


def load_weights(model: nn.Module, file: Path) -> None:
    """Adopts a state dict; raises CheckpointError if the file cannot be read, or is of another architecture."""
    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"init: {file}: {error.strerror or error}") from error
    except Exception as error:  # torch.load raises whatever a damaged file makes its parsers raise
        told = f"it is damaged, or holds more than tensors; write one by torch.save(model.state_dict(), {file.name!r})"
        raise CheckpointError(f"init: {file} is not a state dict: {told}") from error
    try:
        weights = unwrap(stored)
    except ValueError as error:
        raise CheckpointError(f"init: {file} is not a state dict: {error}") from error
    adopt(model, weights, file)


def unwrap(stored: Any) -> dict[str, Tensor]:
    """The weights by name, taken out of a checkpoint's `state_dict` and without DataParallel's `module.`.

    Raises ValueError if `stored` is not a mapping from names to tensors.
    """
    weights = stored.get("state_dict", stored) if isinstance(stored, dict) else stored
    if not isinstance(weights, dict):
        raise ValueError(f"it is a {type(weights).__name__}, not tensors by name")
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} is a {type(value).__name__}, not a tensor")
    wrapped = all(str(name).startswith(WRAPPED) for name in weights)
    return {str(name).removeprefix(WRAPPED if wrapped else ""): value for name, value in weights.items()}


def adopt(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Takes over the learnt weights by name: parameters and the statistics of normalisations.

    Three things keep their new values: last layers of another size (other classes), parts that a module names in
    `training_only` if they do not fit (centres of other people), and buffers that follow from the data (class weights).
    Raises CheckpointError for another architecture.
    """
    modules, own = dict(model.named_modules()), model.state_dict()
    aside = [f"{name}.{part}".lstrip(".") for name, m in modules.items() for part in getattr(m, "training_only", ())]
    learnt = {name for name, _ in model.named_parameters()} | {name for name in own if name.endswith(STATISTICS)}
    known = [name for name in weights if not _belongs(name, aside)]
    if missing := [name for name in learnt - set(weights) if not _belongs(name, aside)]:
        raise CheckpointError(f"{source} is of another architecture: it has no {min(missing)}")
    if further := set(known) - set(own):
        raise CheckpointError(f"{source} is of another architecture: it has {min(further)}, which this network lacks")
    other = {name for name in learnt & set(weights) if weights[name].shape != own[name].shape}
    for name in sorted(other):
        layer = modules[name.rpartition(".")[0]]
        if not _belongs(name, aside) and not _differs_in_outputs(layer, weights[name].shape, own[name].shape):
            shapes = f"{tuple(weights[name].shape)}, not {tuple(own[name].shape)}"
            raise CheckpointError(f"{source} is of another architecture: {name} is {shapes}")
    model.load_state_dict({name: weights[name] for name in learnt & set(weights) - other}, strict=False)


def _differs_in_outputs(layer: nn.Module, theirs: Sequence[int], mine: Sequence[int]) -> bool:
    """Whether only the outputs differ. That is a last layer: any layer after it would have other inputs too."""
    if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        return False
    outputs = 1 if isinstance(layer, nn.ConvTranspose2d) and len(mine) > 1 else 0
    return [s for i, s in enumerate(theirs) if i != outputs] == [s for i, s in enumerate(mine) if i != outputs]


def freeze(model: nn.Module, trainable: Sequence[str]) -> None:
    """Freezes every parameter that does not lie in one of the parts `trainable`; if that is empty, all are trained.

    Raises RecipeError if the network has no such part.
    """
    if not trainable:
        return
    for prefix in trainable:
        if not any(_belongs(name, [prefix]) for name, _ in model.named_parameters()):
            parts = ", ".join(name for name, _ in model.named_children())
            raise RecipeError(f"trainable: the network has no part '{prefix}'; its parts are {parts}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and _belongs(name, trainable))
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and not _belongs(name, trainable):
            module.register_forward_pre_hook(_stay_in_use)


def _belongs(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _stay_in_use(module: nn.Module, inputs: Any) -> None:
    """Keeps the statistics of a frozen normalisation as they are."""
    module.eval()
