"""The faces that a protocol judges, and the outcome that it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Task, load_manifest
from convoy.faces.quality import FaceQuality
from numpy.typing import NDArray

from convoy_training.data import identities
from convoy_training.errors import RecipeError
from convoy_training.evaluation import open_subject
from convoy_training.metrics.face_embedding import assess_faces
from convoy_training.report.charts import Line
from convoy_training.report.page import Section
from convoy_training.session import open_onnx
from convoy_training.task import Metric, Predict
from convoy_training.tasks.face_embedding import embed

FRONTALITY = {"from the front": (0.9, 1.01), "turned": (0.4, 0.9), "in profile": (-0.01, 0.4)}
"""Poses by the service's frontality, which comes from the landmarks, since the data has no labels of poses."""


@dataclass(frozen=True)
class Outcome:
    """The numbers, the curves behind them (as plain lists in JSON), and the sections of the report."""

    metrics: Sequence[Metric]
    curves: Sequence[Line]
    sections: Sequence[Section]

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain values for JSON."""
        curves = {
            line.label: {"x": np.asarray(line.x).tolist(), "y": np.asarray(line.y).tolist()} for line in self.curves
        }
        return {"metrics": [asdict(metric) for metric in self.metrics], "curves": curves}


@dataclass(frozen=True)
class Judged:
    """Held-out faces with their embeddings [N,D], qualities and poses."""

    faces: identities.Faces
    vectors: NDArray[np.float32]
    quality: NDArray[np.float64]
    frontality: NDArray[np.float64]


def open_embedder(target: Path) -> Predict:
    """Opens the embedder of a run, or a published or imported one; raises RecipeError for another task."""
    if (target / MANIFEST_FILE).exists():
        manifest = load_manifest(target)
        task, predict = manifest.task, open_onnx(target / GRAPH_FILE)
    else:
        # Protocols have data of their own, and `clean` is for data that people change.
        subject = open_subject(target, other_data=True)
        task, predict = subject.config.task, subject.predict
    if task != Task.FACE_EMBEDDING:
        raise RecipeError(f"{target} does {task}; protocols and `clean` are for face embedders")
    return predict


def judge_faces(predict: Predict, dataset: str) -> Judged:
    """Embeds all held-out faces of a dataset, and assesses their quality and pose."""
    faces = identities.load_faces((dataset,), "validation")
    qualities = assess_faces(faces)
    return Judged(faces, embed(predict, faces.crops), _numbers(qualities, "score"), _numbers(qualities, "frontality"))


def group_faces(quality: NDArray[np.floating], frontality: NDArray[np.floating]) -> dict[str, NDArray[np.bool_]]:
    """Masks [N] of the thirds of quality, and of the poses, by name."""
    low, high = np.quantile(quality, [1 / 3, 2 / 3])
    groups = {
        "quality: poorest third": quality <= low,
        "quality: middle third": (quality > low) & (quality <= high),
        "quality: best third": quality > high,
    }
    return groups | {f"pose: {name}": (frontality >= a) & (frontality < b) for name, (a, b) in FRONTALITY.items()}


def print_metrics(metrics: Sequence[Metric], title: str) -> None:
    """Prints one line per metric, with its interval and condition."""
    print(title)
    for metric in metrics:
        interval = "({:.4f} to {:.4f})".format(*metric.interval) if metric.interval else ""
        condition = f"; {metric.condition}" if metric.condition else ""
        value = f"{metric.name:20} {metric.value:.4f} {interval:20}"
        print(f"{value} {metric.dataset}, {metric.split}, n={metric.n}{condition}")


def _numbers(qualities: Sequence[FaceQuality], name: str) -> NDArray[np.float64]:
    return np.array([getattr(quality, name) for quality in qualities], np.float64)
