"""Turns a published graph back into a network, so that you can train it further.

The initializers of the graph carry the names of the parameters. Export folds a normalisation into the convolution
before it; here a normalisation that gives the same numbers takes its place. Its input has mean m and variance v,
measured on training images; it gets the scale sqrt(v + eps), and its bias grows by m. So it also works in training,
where the statistics are those of the batch.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import onnx
import torch
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, load_manifest
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from convoy_training.errors import RecipeError
from convoy_training.models.folding import FoldedEmbedder, Norm, set_norm, unfold
from convoy_training.recipe import Config
from convoy_training.runs.catalogue_weights import PREFIX, fetch_weights
from convoy_training.runs.checkpoint import read_weights
from convoy_training.runs.transfer import adopt, load_weights
from convoy_training.task import Batches, Images, Task, make

MEASURED = 256
"""The least number of training images on which the statistics of a normalisation are measured."""


def start(task: Task, config: Config, model: nn.Module, batches: Batches) -> None:
    """Loads the weights that `init` or `start_from` names into a new network.

    `init` names a file of weights or an entry of the catalogue, `start_from` a run or a published model.
    """
    if config.init:
        name = str(config.init)
        file = fetch_weights(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else config.init
        load_weights(model, file)
    if config.start_from and (config.start_from / MANIFEST_FILE).exists():
        recover(task, config, model, config.start_from, batches)
    elif config.start_from:
        adopt(model, read_weights(config.start_from), config.start_from)


def recover(task: Task, config: Config, model: nn.Module, folder: Path, batches: Batches) -> None:
    """Gives `model` the weights of a published <model>/<version>, so that it answers as the graph does.

    Raises CheckpointError for another architecture, and RecipeError for a smaller form (INT8 or FP16).
    """
    manifest = load_manifest(folder)
    if manifest.precision != "float32":
        raise RecipeError(
            f"start_from: {folder} is {manifest.precision}; start from the float32 model from which it was made"
        )
    graph = task.build_graph(model, config).eval()
    parts = [f"{name}." for name, _ in graph.named_children()]
    stored = [t for t in onnx.load(str(folder / GRAPH_FILE)).graph.initializer if t.name.startswith(tuple(parts))]
    weights = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in stored}
    folded = restore_norms(graph, weights, task.example_images(config)[:1])
    adopt(graph, weights, folder)
    if isinstance(graph, FoldedEmbedder):
        folded = unfold(graph, model.embedder)  # type: ignore[arg-type]
    measure_norms(task, config, model, folded, batches)


def restore_norms(graph: nn.Module, weights: dict[str, Tensor], images: Images) -> list[Norm]:
    """Adds the folded normalisations to `weights`, with a bias and nothing else, and returns them.

    uint8 images [N,H,W,3] go through the graph to show which convolution comes before which normalisation.
    """
    made: dict[int, str] = {}
    before: dict[str, str] = {}
    alive: list[Any] = []  # ids are only unique while the tensors live

    def leave(name: str, output: Tensor) -> None:
        made[id(output)] = name
        alive.append(output)

    hooks = []
    for name, module in graph.named_modules():
        if isinstance(module, _ConvNd):
            hooks.append(module.register_forward_hook(lambda _, inputs, output, name=name: leave(name, output)))
        elif isinstance(module, Norm):
            hooks.append(
                module.register_forward_pre_hook(
                    lambda _, inputs, name=name: before.update({name: made.get(id(inputs[0]), "")})
                )
            )
    with torch.no_grad():
        graph(torch.from_numpy(images))
    for hook in hooks:
        hook.remove()
    modules, folded = dict(graph.named_modules()), []
    for name, convolution in before.items():
        norm: Any = modules[name]
        shift = weights.pop(f"{convolution}.weight_bias", None)
        if shift is None and f"{convolution}.bias" in weights:  # its own bias already includes the norm's
            shift = torch.zeros_like(weights[f"{convolution}.bias"])
        if shift is not None and f"{name}.weight" not in weights:
            weights[f"{name}.weight"], weights[f"{name}.bias"] = torch.ones_like(shift), shift
            weights[f"{name}.running_mean"] = torch.zeros_like(shift)
            weights[f"{name}.running_var"] = torch.full_like(shift, 1 - norm.eps)
            folded.append(norm)
    return folded


@torch.no_grad()
def measure_norms(task: Task, config: Config, model: nn.Module, norms: list[Norm], batches: Batches) -> None:
    """Gives normalisations the statistics of training images without changing their answers."""
    seen: dict[Norm, list[tuple[Tensor, Tensor]]] = {norm: [] for norm in norms}

    def look(norm: Any, inputs: Any) -> None:
        others = [axis for axis in range(inputs[0].ndim) if axis != 1]
        features = inputs[0].double()
        seen[norm].append((features.mean(others), features.square().mean(others)))

    hooks = [norm.register_forward_pre_hook(look) for norm in norms]
    model.eval()
    for batch in itertools.islice(batches(0), -(-MEASURED // config.batch_size)):
        task.compute_loss(model, make(batch), config)
    for hook in hooks:
        hook.remove()
    for norm, moments in seen.items():
        if not moments:
            continue
        mean, square = (torch.stack(rows).mean(0) for rows in zip(*moments, strict=True))
        set_norm(norm, norm.weight, norm.bias, mean.float(), (square - mean.square()).clamp(min=0).float())
