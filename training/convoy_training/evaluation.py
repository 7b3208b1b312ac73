"""Measures a run (in PyTorch) or a published version (in ONNX Runtime), several together, or crop by crop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, load_manifest
from numpy.typing import NDArray

from convoy_training.classifier_graph import ENLARGED
from convoy_training.errors import RecipeError, TrainingError
from convoy_training.origin import ENVIRONMENT, read_environment
from convoy_training.recipe_file import open_recipe
from convoy_training.report.page import review, show_training, write_charts, write_report
from convoy_training.runs.checkpoint import load_model
from convoy_training.runs.loop import build_predict
from convoy_training.runs.provenance import check_provenance
from convoy_training.session import open_onnx
from convoy_training.task import Images, Metric, Predict, Task

MERGED = {"probabilities", "embeddings", "class_map", "boxes", "scores"}
"""The outputs that several models answer together."""


@dataclass(frozen=True)
class Subject:
    """Something to measure: where it lies, its recipe, and its graph as a function."""

    target: Path
    task: Task
    config: Any
    predict: Predict

    def measure(self, split: str) -> Sequence[Metric]:
        """Its metrics on a split, through the serving code's own pre- and post-processing."""
        return self.task.evaluate(self.predict, self.config, split)

    def report(
        self, file: Path, metrics: Sequence[Any], split: str, *, pictures: bool = True, run: Path | None = None,
        charts: bool = False,
    ) -> None:  # fmt: skip
        """Writes the report of these metrics as one HTML file, with the training curves of `run` or of the target.

        charts: those for the model's card too, as SVG files beside it.
        """
        sections = [*show_training(run or self.target), *review(self.predict, self.config, split)]
        write_report(file, f"{self.config.name}, {split}", describe(self), metrics, sections, pictures=pictures)
        if charts:
            write_charts(file.parent, sections)


def open_subject(
    target: Path, *, other_data: bool = False, data: Path | None = None, overrides: Sequence[str] = ()
) -> Subject:
    """A run folder of `fit`, or a published <model>/<version> folder.

    data: what to measure on in the place of the recipe's data, in the same layout; overrides: `name=value` of fields of
    the recipe that say how to measure. Raises RecipeError if its data or classes are no longer those of its training
    (see `check_provenance`).
    """
    task, config = open_recipe(target, overrides)
    if data is not None:
        task, config = open_recipe(target, [*overrides, *_replace_data(config, data)])
    check_provenance(target, task, config, other_data=other_data or data is not None)
    if (target / MANIFEST_FILE).exists():
        load_manifest(target)  # proves that the graph is the one described
        return Subject(target, task, config, open_onnx(target / GRAPH_FILE))
    return Subject(target, task, config, build_predict(task, config, load_model(task, config, target)))


def _replace_data(config: Any, data: Path) -> list[str]:
    """What to set in a recipe so that it reads other data, and says so. Raises RecipeError."""
    fields = {"path": str(data), "title": data.stem}
    known = getattr(type(getattr(config, "data", None)), "model_fields", {})
    if "path" not in known:
        raise RecipeError("--data: the data of this recipe lie in several places; write them into a copy of the recipe")
    return [f"data.{name}={json.dumps(value)}" for name, value in fields.items() if name in known]


def describe(subject: Subject) -> dict[str, str]:
    """Where a subject comes from, for the head of its report."""
    facts = {"measured": str(subject.target), "task": subject.config.task, "recipe": f"{subject.config.name}.yaml"}
    if known := read_environment(subject.target):
        try:
            facts |= {"seed": str(known["seed"]), "SHA-256 of the data": known["data_sha256"]}
            facts["versions"] = ", ".join(f"{name} {version}" for name, version in known["versions"].items())
        except (KeyError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"{subject.target / ENVIRONMENT}: is damaged; remove it, and `--resume` writes it again"
            ) from error
    return facts


def ensemble(subjects: Sequence[Subject]) -> Subject:
    """Several models as one, measured with the first one's recipe.

    Probabilities and embeddings are averaged; of class maps each pixel takes the majority, the first model's where
    there is none; boxes are put side by side, for non-maximum suppression to choose from. Raises RecipeError, also on
    the first pictures if nothing merges what the models answer, such as prototypes of masks or pictures.
    """
    first = subjects[0]
    labels = first.task.describe(first.config).manifest.get("labels")
    for other in subjects[1:]:
        same = other.task.describe(other.config).manifest.get("labels") == labels
        if other.config.task != first.config.task or not same:
            raise RecipeError(f"{first.target} and {other.target} cannot be averaged: their tasks or labels differ")

    def predict(images: Images) -> dict[str, NDArray[Any]]:
        answers = [subject.predict(images) for subject in subjects]
        known = MERGED | ({"landmarks", "masks", "points"} if "boxes" in answers[0] else set())  # of each box
        if others := sorted(set(answers[0]) - known):
            raise RecipeError(f"{first.target} cannot be averaged: nothing merges its {' and '.join(others)}")
        return {name: _merge(name, [answer[name] for answer in answers]) for name in answers[0]}

    return Subject(first.target, first.task, first.config, predict)


def average_crops(subject: Subject, crops: int) -> Subject:
    """A classifier that looks at the centre (1), the corners too (5), or at their mirror images as well (10)."""
    if subject.config.task != "classification":
        raise RecipeError(f"--crops: {subject.target} does {subject.config.task}; crops are only for classifiers")
    if crops not in (1, 5, 10):
        raise RecipeError(f"--crops {crops}: choose 1, 5 or 10")

    def predict(images: Images) -> dict[str, NDArray[Any]]:
        return {
            "probabilities": np.mean([subject.predict(cut)["probabilities"] for cut in cut_crops(images, crops)], 0)
        }

    return Subject(subject.target, subject.task, subject.config, predict)


def cut_crops(images: Images, crops: int) -> list[Images]:
    """Of [N,H,W,3], enlarged by 256/224: the middle, the four corners, and all of them mirrored."""
    height, width = images.shape[1:3]
    size = (round(width * ENLARGED), round(height * ENLARGED))
    large = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) for image in images])
    right, low = size[0] - width, size[1] - height
    corners = [(right // 2, low // 2), (0, 0), (right, 0), (0, low), (right, low)][: min(crops, 5)]
    cuts = [large[:, y : y + height, x : x + width] for x, y in corners]
    return [np.ascontiguousarray(c) for c in cuts + ([cut[:, :, ::-1] for cut in cuts] if crops == 10 else [])]


def _merge(name: str, answers: list[NDArray[Any]]) -> NDArray[Any]:
    if name in ("probabilities", "embeddings"):
        mean: NDArray[Any] = np.mean(answers, axis=0)
        return np.divide(mean, np.linalg.norm(mean, axis=1, keepdims=True)) if name == "embeddings" else mean
    if name == "class_map":
        votes = np.stack(answers)
        counts = np.stack([(votes == vote).sum(0) for vote in votes])
        chosen: NDArray[Any] = np.take_along_axis(votes, counts.argmax(0)[None], 0)[0]
        return chosen
    return np.concatenate(answers, axis=1)
