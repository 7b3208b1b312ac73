"""What a published folder says of its model: measured numbers, report, charts, card."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from convoy.core.manifest import MANIFEST_FILE, Metric, load_manifest
from numpy.typing import NDArray

from convoy_training.errors import RecipeError
from convoy_training.evaluation import Subject, open_subject
from convoy_training.publishing.card import write_card
from convoy_training.publishing.publication import record_metrics
from convoy_training.recipe import Images, Predict
from convoy_training.report import REPORT


def record(folder: Path) -> list[tuple[Metric | None, Metric]]:
    """Measures a published model again and writes what comes out; returns each metric as it was, if it was, and is.

    Raises RecipeError for a run, whose metrics are those of its training.
    """
    if not (folder / MANIFEST_FILE).exists():
        raise RecipeError(
            f"--record: {folder} is no published model (no {MANIFEST_FILE}); `fit` records what a run gives"
        )
    subject, manifest = open_subject(folder), load_manifest(folder)
    subject = replace(subject, predict=remember(subject.predict))
    before = {metric.name: metric for metric in manifest.metrics}
    manifest.metrics = record_metrics(subject.measure("validation"), f"convoy-train evaluate {folder}")
    manifest.save(folder)
    describe(subject)
    return [(before.get(metric.name), metric) for metric in manifest.metrics]


def describe(published: Subject, run: Path | None = None) -> None:
    """Writes the report, the charts of the card, and the card beside a manifest; training curves are those of `run`."""
    folder = published.target
    manifest = load_manifest(folder)
    # Charts only: a published folder may not carry pictures of the data.
    published.report(folder / REPORT, manifest.metrics, "validation", pictures=False, run=run, charts=True)
    write_card(manifest, folder)


def remember(predict: Predict) -> Predict:
    """The same function, which answers at once what it was asked before: metrics and report look at one split."""
    answers: dict[bytes, dict[str, NDArray[Any]]] = {}

    def answer(images: Images) -> dict[str, NDArray[Any]]:
        key = hashlib.sha256(repr(images.shape).encode() + images.tobytes()).digest()
        if key not in answers:
            answers[key] = predict(images)
        return answers[key]

    return answer
