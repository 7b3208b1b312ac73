"""Turns weights that others published for an architecture of ours into an ONNX graph, for `convoy model import`."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from convoy_training.errors import TrainingError
from convoy_training.models.architecture import find_architecture
from convoy_training.publishing.export import export_onnx
from convoy_training.task import Export, Images

COUNTER = "num_batches_tracked"
"""What batch normalisation counts; not every published file has it, and answers do not depend on it."""


def convert_weights(name: str, weights: Path, file: Path) -> float:
    """Write a classifier as ONNX: normalised pixels float32 [N,3,H,W] -> logits [N,C].

    Runs no code of the file. Returns the largest difference between ONNX Runtime and PyTorch. Raises TrainingError.
    """
    architecture = find_architecture(name, "classification")
    network = architecture.build()
    load_weights(network, read_weights(weights), weights)
    pixels = np.random.default_rng(0).normal(size=(2, 3, *architecture.input)).astype(np.float32)
    # Our own graphs take bytes and normalise them; this one takes what its publisher says, and the import goes on.
    return export_onnx(network, cast(Images, pixels), Export(outputs=("logits",), manifest={}), file)


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read a file of tensors by name, as torch.save writes it. Raises TrainingError."""
    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise TrainingError(f"{file} does not hold weights alone, as torch.save writes them: {first}") from None
    if not isinstance(tensors, Mapping) or not all(isinstance(one, Tensor) for one in tensors.values()):
        raise TrainingError(f"{file} does not hold tensors by name")
    return dict(tensors)


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Load tensors by their names or, if other code has other names for the same layers, in their order.

    In order, each pair of tensors must have the same shape and the same last word, such as running_mean. Raises
    TrainingError.
    """
    ours = {name: value for name, value in network.state_dict().items() if not name.endswith(COUNTER)}
    theirs = {name: value for name, value in tensors.items() if not name.endswith(COUNTER)}
    if len(ours) != len(theirs):
        raise TrainingError(f"{file} holds {len(theirs)} tensors, but the architecture has {len(ours)}")
    renamed = theirs if ours.keys() == theirs.keys() else dict(zip(ours, theirs.values(), strict=True))
    sources = renamed.keys() if renamed is theirs else theirs.keys()
    for (name, value), source in zip(renamed.items(), sources, strict=True):
        if value.shape != ours[name].shape or name.rpartition(".")[2] != source.rpartition(".")[2]:
            here, there = list(ours[name].shape), list(value.shape)
            raise TrainingError(f"{file}: {source} {there} is not the architecture's {name} {here}")
    network.load_state_dict(renamed, strict=False)
