"""Reads weights that others published, and finds out under which names they hold our layers.

Files of torch.save and safetensors are read, whole checkpoints too; no code of a file runs. Names may carry a prefix
(`module.`, `model.`, `backbone.`), may be timm's (`weight_names`), and may be those of a classifier without its head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convoy_training.errors import CheckpointError
from convoy_training.runs.weight_names import WAYS

INSIDE = ("state_dict", "model_state_dict", "model", "model_state", "ema", "model_ema", "teacher", "net", "weights")
"""Where checkpoints of trainers keep the weights."""
PREFIXES = ("module.", "model.", "_orig_mod.", "network.", "net.", "encoder.", "backbone.")
COUNTER = "num_batches_tracked"


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name; raises CheckpointError if it cannot be read."""
    if file.suffix.lower() == ".safetensors":
        return _read_safetensors(file)
    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"init: {file}: {error.strerror or error}") from error
    except Exception as error:  # torch.load raises whatever a damaged file makes its parsers raise
        told = f"it is damaged, or holds more than tensors; write one by torch.save(model.state_dict(), {file.name!r})"
        raise CheckpointError(f"init: {file} is not a state dict: {told}") from error
    try:
        return unwrap(stored)
    except ValueError as error:
        raise CheckpointError(f"init: {file} is not a state dict: {error}") from error


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return unwrap(load_file(file))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"init: {file} cannot be read as safetensors: {error}") from error


def unwrap(stored: Any) -> dict[str, Tensor]:
    """The weights by name, taken out of a checkpoint, and without a prefix that all names share.

    Raises ValueError if `stored` is not a mapping from names to tensors.
    """
    weights = stored
    while isinstance(weights, dict) and (key := next((k for k in INSIDE if isinstance(weights.get(k), dict)), None)):
        weights = weights[key]
    if not isinstance(weights, dict):
        raise ValueError(f"it is a {type(weights).__name__}, not tensors by name")
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} is a {type(value).__name__}, not a tensor")
    named = {str(name): value for name, value in weights.items()}
    while prefix := next((p for p in PREFIXES[:5] if named and all(n.startswith(p) for n in named)), ""):
        named = {name.removeprefix(prefix): value for name, value in named.items()}
    return named


def rename(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under the names of `model`, where another way to name them fits more of its layers.

    Tried are: as they are; without a prefix; as the backbone of the network; and the names of other libraries.
    What is chosen fits the most tensors, by name and shape; the first of equals wins.
    """
    own = {name: value.shape for name, value in model.state_dict().items() if not name.endswith(COUNTER)}
    ways: list[Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = [dict, *WAYS]
    best, fitting = dict(weights), -1
    for way in ways:
        for prefix in ("", *(p for p in PREFIXES if any(name.startswith(p) for name in weights))):
            # With a prefix, what lies beside it (another head, a momentum's copy) is none of this network.
            cut = {n.removeprefix(prefix): v for n, v in weights.items() if n.startswith(prefix)}
            for inside in ("", "backbone."):
                named = {f"{inside}{name}": value for name, value in way(cut).items()}
                count = sum(name in own and own[name] == value.shape for name, value in named.items())
                if count > fitting:
                    best, fitting = named, count
    if fitting <= 0 and (ordered := _in_order(own, weights)):
        return ordered
    return best


def _in_order(own: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Weights whose names say nothing, in the order of the layers: all must fit, but for the last layer's outputs."""
    theirs = {name: value for name, value in weights.items() if not name.endswith(COUNTER)}
    if len(theirs) != len(own):
        return None
    pairs = list(zip(own, theirs.items(), strict=True))
    for place, (name, (other, value)) in enumerate(pairs):
        last = place >= len(pairs) - 2
        if name.rpartition(".")[2] != other.rpartition(".")[2]:
            return None
        if value.shape != own[name] and not (last and value.shape[1:] == own[name][1:]):
            return None
    return {name: value for name, (_, value) in pairs}
