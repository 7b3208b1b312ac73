"""Several runs as one published graph, which answers as `evaluate --ensemble` measures them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from convoy_training.errors import ExportError, RecipeError
from convoy_training.evaluation import Subject, ensemble
from convoy_training.origin import Origin, read_origin
from convoy_training.publishing.export import measure_difference
from convoy_training.publishing.publication import publish_model
from convoy_training.recipe import Config
from convoy_training.runs.loop import build_predict
from convoy_training.task import Task


@dataclass(frozen=True)
class Member:
    """One trained run."""

    run: Path
    task: Task
    config: Any
    model: nn.Module


class Together(nn.Module):
    """The graphs of several networks on the same pictures, merged into one answer.

    Probabilities and embeddings are averaged; of class maps each pixel takes the majority, the first network's where
    there is none; boxes are put side by side, for non-maximum suppression to choose from.
    """

    def __init__(self, graphs: Sequence[nn.Module], outputs: Sequence[str]) -> None:
        super().__init__()
        self.graphs = nn.ModuleList(graphs)
        self.outputs = tuple(outputs)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        answers = [graph(images) for graph in self.graphs]
        if len(self.outputs) == 1:
            return merge(self.outputs[0], answers)
        return tuple(merge(name, parts) for name, *parts in zip(self.outputs, *answers, strict=True))


def merge(name: str, answers: Sequence[Tensor]) -> Tensor:
    """The answers of several networks under one output's name as one."""
    if name in ("probabilities", "embeddings"):
        mean = torch.stack(list(answers)).mean(0)
        return nn.functional.normalize(mean) if name == "embeddings" else mean
    if name == "class_map":
        votes = torch.stack(list(answers))
        counts = (votes[:, None] == votes[None]).sum(1)
        return votes.gather(0, counts.argmax(0, keepdim=True))[0]
    return torch.cat(list(answers), 1)


class _Ensemble:
    """The task of the members, whose graph is all of theirs."""

    def __init__(self, task: Task, graph: nn.Module) -> None:
        self._task, self._graph = task, graph

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def build_graph(self, model: nn.Module, config: Any) -> nn.Module:
        return self._graph


def publish_ensemble(members: Sequence[Member], models: Path, config: Config, *, replace_it: bool = False) -> Path:
    """Publishes the members as one model under the name and version of `config`, the recipe of the first.

    Before that, the graph's answers on real pictures are held against those of the single networks. Raises RecipeError
    if the members cannot be averaged: other tasks, labels, inputs or outputs. Raises ExportError if they differ.
    """
    first = members[0]
    told = first.task.describe(first.config)
    if len(members) < 2:
        raise RecipeError("--ensemble: name several runs")
    for other in members[1:]:
        theirs = other.task.describe(other.config)
        if theirs.outputs != told.outputs or theirs.manifest.get("input") != told.manifest.get("input"):
            raise RecipeError(f"{first.run} and {other.run} cannot be one graph: their inputs or outputs differ")
    subjects = [
        Subject(one.run, one.task, one.config, build_predict(one.task, one.config, one.model)) for one in members
    ]
    apart = ensemble(subjects)  # It checks tasks and labels.
    graph = Together([one.task.build_graph(one.model, one.config) for one in members], told.outputs).eval()
    task = cast(Task, _Ensemble(first.task, graph))
    images = first.task.example_images(first.config)
    together, expected = build_predict(task, config, graph)(images), apart.predict(images)
    worst = max(measure_difference(expected[name], together[name]) for name in told.outputs)
    if not worst <= told.tolerance:
        raise ExportError(f"the graph differs from the single networks by {worst:.2e}, more than {told.tolerance:.0e}")
    return publish_model(task, config, graph, models, _describe(members), replace=replace_it)


def _describe(members: Sequence[Member]) -> Origin:
    origins = [read_origin(one.run) for one in members]
    command = shlex.join(["convoy-train", "export", *(str(one.run) for one in members), "--ensemble"])
    made = " && ".join([*dict.fromkeys(origin.command for origin in origins if origin.command), command])
    notes = "\n\n".join(dict.fromkeys(origin.notes for origin in origins if origin.notes))
    return replace(origins[0], command=made, notes=notes)
