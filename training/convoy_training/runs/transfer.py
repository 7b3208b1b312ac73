"""Transfer learning: takes over the weights of another network, and freezes the parts that are not to be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from convoy_training.errors import CheckpointError, RecipeError
from convoy_training.runs.weights import read_weights, rename

STATISTICS = ("running_mean", "running_var")


def load_weights(model: nn.Module, file: Path) -> None:
    """Adopts a file of weights; raises CheckpointError if it cannot be read, or is of another architecture.

    A network may have more than the file: a new last layer, or all that a detector or segmenter adds to its backbone.
    What is new is printed.
    """
    weights = rename(model, read_weights(file))
    new = find_new_parts(model, weights)
    if any(name.startswith("backbone.") for name in weights):  # the classifier's own head has no place in it
        own = model.state_dict()
        weights = {name: value for name, value in weights.items() if name in own}
    adopt(model, weights, file, new)
    if new:
        print(f"init: {file} holds no {', '.join(new)}: these parts start anew", flush=True)


def find_new_parts(model: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """The parts of the network of which the weights hold nothing, if they come last: children, or the last layer alone.

    None if the first part is missing too: then these are not the weights of this network.
    """
    layers = [name for name, layer in model.named_modules() if layer._parameters]
    if layers and [name for name in layers if not any(_belongs(key, [name]) for key in weights)] == layers[-1:]:
        return layers[-1:]
    children = [name for name, child in model.named_children() if any(True for _ in child.parameters())]
    held = [name for name in children if any(_belongs(key, [name]) for key in weights)]
    if not held or not children or held != children[: len(held)]:
        return []
    return children[len(held) :]


def adopt(model: nn.Module, weights: Mapping[str, Tensor], source: Path, new: Sequence[str] = ()) -> None:
    """Takes over the learnt weights by name: parameters and the statistics of normalisations.

    new: parts that the weights need not hold. Three more things keep their new values: last layers of another size
    (other classes), parts that a module names in `training_only` if they do not fit (centres of other people), and
    buffers that follow from the data (class weights). Raises CheckpointError for another architecture.
    """
    modules, own = dict(model.named_modules()), model.state_dict()
    aside = [f"{name}.{part}".lstrip(".") for name, m in modules.items() for part in getattr(m, "training_only", ())]
    aside += new
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


def allow_single_values(model: nn.Module) -> None:
    """Lets a batch of one picture pass normalisations that see one value of each channel there, and says so.

    There is no deviation of one value: such a normalisation goes by the statistics that it has, and keeps them.
    """
    told: set[str] = set()

    def look(name: str, module: nn.Module, inputs: Any) -> None:
        values = inputs[0].numel() // inputs[0].shape[1]
        if module.training and values == 1:
            module.eval()
            if not told:
                which = f"normalisation {name} sees one value of each channel, and keeps its statistics"
                print(f"batch_size 1: the {which}; larger batches learn better", flush=True)
            told.add(name)

    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm):
            module.register_forward_pre_hook(partial(look, name))


def _belongs(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _stay_in_use(module: nn.Module, inputs: Any) -> None:
    """Keeps the statistics of a frozen normalisation as they are."""
    module.eval()
