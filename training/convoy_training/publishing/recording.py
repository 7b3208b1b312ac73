"""Measures a published version again, and writes its new metrics, report and card."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from convoy.core.manifest import MANIFEST_FILE, Metric, load_manifest
from numpy.typing import NDArray

from convoy_training.errors import RecipeError
from convoy_training.evaluation import open_subject
from convoy_training.publishing.completion import write_pages
from convoy_training.publishing.folder import republish
from convoy_training.publishing.publication import record_metrics
from convoy_training.task import Images, Predict


def record(folder: Path, *, other_data: bool = False) -> list[tuple[Metric | None, Metric]]:
    """Measures a published model again and writes its metrics; returns each old metric, or None, with the new one.

    Raises RecipeError for a run, since `fit` records its metrics, and if somebody replaces the model meanwhile.
    """
    if not (folder / MANIFEST_FILE).exists():
        raise RecipeError(
            f"--record: {folder} is not a published model, since it has no {MANIFEST_FILE}; "
            "`fit` already records the metrics of a run"
        )
    subject, measured = open_subject(folder, other_data=other_data), load_manifest(folder)
    subject = replace(subject, predict=remember(subject.predict))
    metrics = record_metrics(subject.measure("validation"), f"convoy-train evaluate {folder}")

    def change(partial: Path) -> None:
        manifest = load_manifest(partial)
        if manifest.sha256 != measured.sha256:
            raise RecipeError(f"--record: somebody replaced {folder} during the measurement: record it again")
        manifest.metrics = metrics
        manifest.save(partial)
        write_pages(partial, manifest, subject)

    republish(folder, change)
    before = {metric.name: metric for metric in measured.metrics}
    return [(before.get(metric.name), metric) for metric in metrics]


def remember(predict: Predict) -> Predict:
    """The same function with a memory of its answers, since metrics and report look at the same split."""
    answers: dict[bytes, dict[str, NDArray[Any]]] = {}

    def answer(images: Images) -> dict[str, NDArray[Any]]:
        key = hashlib.sha256(repr(images.shape).encode() + images.tobytes()).digest()
        if key not in answers:
            answers[key] = predict(images)
        return answers[key]

    return answer
