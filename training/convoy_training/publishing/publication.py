"""Publishes a run as a version: graph, manifest with measured numbers, report and card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from convoy.core.manifest import GRAPH_FILE, Manifest, Training, digest
from convoy.core.manifest import Export as ExportFacts
from convoy.core.manifest import Metric as MetricFacts
from convoy.core.manifest import Task as ServedTask
from torch import nn

from convoy_training.errors import ExportError
from convoy_training.evaluation import Subject
from convoy_training.models.counts import count_multiply_adds, count_parameters
from convoy_training.origin import NOTES, UNKNOWN, Origin
from convoy_training.publishing.completion import complete
from convoy_training.publishing.export import OPSET, export_onnx
from convoy_training.publishing.folder import publish
from convoy_training.recipe import Config
from convoy_training.recipe_file import write_recipe
from convoy_training.runs.loop import build_predict
from convoy_training.runs.provenance import Provenance, write_provenance
from convoy_training.session import open_onnx
from convoy_training.task import Metric, Task, settle

AGREEMENT = 0.01
"""How far a metric may differ from PyTorch's; less is rounding, such as one pair of faces that crosses a threshold."""


def publish_model(
    task: Task, config: Config, model: nn.Module, models: Path, origin: Origin = UNKNOWN, *,
    replace: bool = False, run: Path | None = None, provenance: Provenance | None = None,
) -> Path:  # fmt: skip
    """Exports, checks, measures and calibrates the ONNX graph; <models>/<name>/<version>/ then goes live whole.

    The folder holds the recipe, the `provenance` of the weights, the notes of `origin`, a report with the training
    curves of `run`, and a card. Returns that folder. Raises ExportError if no service does this task, or if another
    model is already published there and `replace` is false.
    """
    config = settle(task, config, build_predict(task, config, model))
    folder, told = models / config.name / config.version, task.describe(config)
    if (served := told.task or config.task) not in list(ServedTask):
        raise ExportError(
            f"{config.name} cannot be published, since no service does the task '{served}'; use `evaluate`"
        )

    def write(partial: Path) -> None:
        graph, images, file = (
            task.build_graph(model, config).eval(),
            task.example_images(config),
            partial / GRAPH_FILE,
        )
        difference = export_onnx(graph, images, told, file)
        sha256 = digest(file)
        if not replace:
            check_free(folder, sha256)
        published = Subject(folder, task, config, open_onnx(file))
        metrics = published.measure("validation")
        check_agreement(task.evaluate(build_predict(task, config, model), config, "validation"), metrics)
        manifest = Manifest(
            name=config.name,
            version=config.version,
            task=ServedTask(served),
            sha256=sha256,
            metrics=record_metrics(metrics, f"convoy-train evaluate {folder}"),
            parameters=count_parameters(file),
            multiply_adds=count_multiply_adds(graph, images[:1]),
            licence=config.licence,
            training=describe_training(config, told.data, told.data_terms, origin, provenance),
            export=ExportFacts(opset=OPSET, max_abs_difference=difference, tolerance=told.tolerance,
                               images_compared=len(images)),
            **told.manifest,
        )  # fmt: skip
        write_recipe(config, partial)
        if provenance:
            write_provenance(provenance, partial)
        if origin.notes:
            (partial / NOTES).write_text(origin.notes)
        complete(partial, manifest, published, run)
        if not replace:
            check_free(folder, sha256)  # again, since somebody else may have published during the minutes of measuring

    publish(folder, write)
    return folder


def check_free(folder: Path, sha256: str) -> None:
    """Raises ExportError if a model with another graph is published there, since people may rely on it."""
    if (folder / GRAPH_FILE).exists() and digest(folder / GRAPH_FILE) != sha256:
        told = "choose another version with --set version=2, or add --replace"
        raise ExportError(f"{folder} is already published with other weights: {told}")


def check_agreement(expected: Sequence[Metric], measured: Sequence[Metric]) -> None:
    """Raises ExportError if a metric of the ONNX graph differs from that of the PyTorch network."""
    for mine, theirs in zip(expected, measured, strict=True):
        # One picture of a small class that crosses over is rounding too.
        allowed = max(AGREEMENT, 1 / mine.n + 1e-9) if mine.name.startswith("recall_") else AGREEMENT
        # Not `abs(...) > allowed`, which would accept NaN on one side.
        if not (abs(mine.value - theirs.value) <= allowed or (math.isnan(mine.value) and math.isnan(theirs.value))):
            raise ExportError(f"{mine.name} is {mine.value:.4f} in PyTorch and {theirs.value:.4f} in ONNX Runtime")


def record_metrics(metrics: Sequence[Metric], command: str) -> list[MetricFacts]:
    """The metrics in the form of the manifest, with four digits, which is more than their samples can support.

    Undefined ones are left out, such as the IoU of a class that neither occurs nor is predicted.
    """
    return [
        MetricFacts(name=m.name, value=round(m.value, 4), dataset=m.dataset, split=m.split, n=m.n, command=command,
                    interval=m.interval and (round(m.interval[0], 4), round(m.interval[1], 4)), condition=m.condition)
        for m in metrics if not math.isnan(m.value)
    ]  # fmt: skip


def describe_training(
    config: Config, data: Sequence[str], terms: str, origin: Origin, provenance: Provenance | None = None
) -> Training:
    """The manifest's facts about where the weights come from."""
    terms = ". ".join(filter(None, [terms, origin.taught_by]))
    return Training(recipe=origin.recipe, command=origin.command, data=list(data), data_terms=terms,
                    trained=provenance.describe() if provenance else "", seed=config.seed,
                    framework=f"torch {torch.__version__.partition('+')[0]}")  # fmt: skip
