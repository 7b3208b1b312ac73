"""Opens a classifier as a PyTorch network: that of a run, or of a published model, whose graph holds its weights.

An exported graph keeps the names of the weights. Where the exporter has folded a batch norm into the convolution before
it, the norm becomes one that only adds a bias. That the network is the published one is proven on pictures.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from convoy.core.manifest import GRAPH_FILE
from onnx import numpy_helper
from torch import Tensor, fx, nn

from convoy_training.errors import TrainingError
from convoy_training.recipe_file import is_run, open_recipe
from convoy_training.runs.checkpoint import load_model
from convoy_training.session import open_onnx
from convoy_training.task import Task

PREFIX = "model."
FOLDED = "_bias"
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Opened:
    """A classifier: what made it, its labels, and its network, [N,3,H,W] normalised -> logits [N,classes]."""

    task: Task
    config: Any
    labels: tuple[str, ...]
    model: nn.Module

    def graph(self) -> nn.Module:
        """The serving graph: uint8 RGB [N,H,W,3] -> probabilities [N,C]."""
        return self.task.build_graph(self.model, self.config).eval()


def open_classifier(target: Path) -> Opened:
    """A classifier of a run folder or of a published version.

    Raises TrainingError if it is no classifier, or if its weights cannot be taken out of its graph.
    """
    task, config = open_recipe(target)
    if config.task != "classification":
        raise TrainingError(f"{target} does {config.task}; only classifiers have gradients here")
    labels = tuple(task.describe(config).manifest["labels"])
    if is_run(target):
        return Opened(task, config, labels, load_model(task, config, target))
    model = task.build_model(config).eval()
    _take_weights(model, target / GRAPH_FILE)
    opened = Opened(task, config, labels, model)
    _prove(opened, target)
    return opened


def shuffle_weights(opened: Opened, seed: int) -> Opened:
    """The same classifier with each layer's weights in another order: the numbers remain, what it learned is gone."""
    random, model = torch.Generator().manual_seed(seed), copy.deepcopy(opened.model)
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(weights.flatten()[torch.randperm(weights.numel(), generator=random)].view_as(weights))
    return Opened(opened.task, opened.config, opened.labels, model)


def _take_weights(model: nn.Module, graph: Path) -> None:
    held = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in onnx.load(graph).graph.initializer}
    named = {name.removeprefix(PREFIX): value for name, value in held.items() if name.startswith(PREFIX)}
    own = model.state_dict()
    for norm, convolution in _norms_after_convolutions(model).items():
        if f"{norm}.weight" not in named and (bias := named.get(f"{convolution}.weight{FOLDED}")) is not None:
            named |= _plain_norm(norm, bias, cast(nn.BatchNorm2d, model.get_submodule(norm)).eps)
    missing = [
        name for name in own if name not in named and not name.endswith(("num_batches_tracked", "class_weights"))
    ]
    if missing:
        told = "the graph holds them under other names, or in smaller numbers (INT8)"
        raise TrainingError(f"{graph}: the weights {', '.join(missing[:3])} cannot be taken out: {told}; name a run")
    model.load_state_dict({name: named.get(name, value) for name, value in own.items()})


def _plain_norm(norm: str, bias: Tensor, eps: float) -> dict[str, Tensor]:
    ones = torch.ones_like(bias)
    kept = {"weight": ones, "bias": bias, "running_mean": torch.zeros_like(bias), "running_var": ones - eps}
    return {f"{norm}.{name}": value for name, value in kept.items()}


def _norms_after_convolutions(model: nn.Module) -> dict[str, str]:
    """From the name of each batch norm that follows a convolution to the name of that convolution."""
    modules = dict(model.named_modules())
    found = {}
    try:
        nodes = list(fx.symbolic_trace(model).graph.nodes)
    except Exception:  # fx traces no network whose way depends on its input; such a one has no folded norms to find
        return {}
    for node in nodes:
        if node.op == "call_module" and isinstance(modules[node.target], nn.BatchNorm2d):
            before = node.args[0]
            if before.op == "call_module" and isinstance(modules[before.target], nn.Conv2d):
                found[node.target] = before.target
    return found


def _prove(opened: Opened, target: Path) -> None:
    """Raises TrainingError unless the network answers real pictures as its published graph does."""
    images = opened.task.example_images(opened.config)[:8]
    with torch.inference_mode():
        ours = opened.graph()(torch.from_numpy(np.ascontiguousarray(images))).numpy()
    off = float(np.abs(ours - open_onnx(target / GRAPH_FILE)(images)["probabilities"]).max())
    if not off <= TOLERANCE:
        raise TrainingError(f"{target}: the weights of its graph make another network (off by {off:.2g}); name a run")
