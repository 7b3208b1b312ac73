"""The last steps before a model goes live: calibrates it, and writes its manifest and the pages that people read."""

from __future__ import annotations

import sys
from pathlib import Path

from convoy.core.manifest import GRAPH_FILE, Manifest, Task

from convoy_training.errors import TrainingError
from convoy_training.evaluation import Subject
from convoy_training.publishing.calibrate import calibrate
from convoy_training.publishing.card import write_card
from convoy_training.report import REPORT

UNCALIBRATED = "Services then compare by their own default threshold, and refuse to search at a given false-match rate"


def complete(partial: Path, manifest: Manifest, published: Subject, run: Path | None = None) -> None:
    """Calibrates an embedder, then writes manifest, report, charts and card beside the graph in `partial`.

    published: the graph with the folder that it will have; run: where its training curves are. A face embedder that
    cannot be calibrated is published without a calibration, and a warning says what that means.
    """
    if manifest.task is Task.FACE_EMBEDDING:
        try:
            calibrate(manifest, published.target, partial / GRAPH_FILE, published.config)
        except TrainingError as error:
            print(f"warning: {manifest.name} is not calibrated: {error}. {UNCALIBRATED}", file=sys.stderr)
    if manifest.task is Task.EMBEDDING:
        # Not at the top: it publishes through this module.
        from convoy_training.publishing.embedder import calibrate_embedder

        try:
            calibrate_embedder(manifest, published)
        except TrainingError as error:
            print(f"warning: {manifest.name} is not calibrated: {error}. {UNCALIBRATED}", file=sys.stderr)
    manifest.save(partial)
    write_pages(partial, manifest, published, run)


def write_pages(partial: Path, manifest: Manifest, published: Subject, run: Path | None = None) -> None:
    """Writes the report, the charts of the card, and the card into `partial`."""
    # Only charts, since a published folder must not carry pictures of the data.
    published.report(partial / REPORT, manifest.metrics, "validation", pictures=False, run=run, charts=True)
    write_card(manifest, partial)
