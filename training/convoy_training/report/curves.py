"""Draws the curves that a run wrote, as CSV or for TensorBoard."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from convoy_training.report import REPORT
from convoy_training.report.charts import Line, draw_lines, draw_smoothed
from convoy_training.runs.journal import CURVES, FILE


def read_curves(run: Path) -> list[str]:
    """One chart for each recorded number, and one for all validation metrics; none if there are no records.

    A published model does not have its run any more: its charts are read from the report that export wrote.
    """
    if (run / FILE).is_file():
        recorded = _read_table(run / FILE)
    elif (run / CURVES).is_dir():
        recorded = _read_events(run / CURVES)
    else:
        return _keep_curves(run / REPORT)
    charts, validated = [], []
    for tag in sorted(recorded, key=lambda tag: (tag != "loss", tag)):
        steps, values = (np.array(side) for side in zip(*recorded[tag], strict=True))
        if tag.startswith("validation/"):
            validated.append(Line(tag.removeprefix("validation/"), steps, values))
        else:
            charts.append(draw_smoothed(steps, values, "step", tag))
    if validated and len(validated[0].x) > 1:
        charts.append(draw_lines(validated, "step", "validation"))
    return charts


def _read_table(file: Path) -> dict[str, list[tuple[int, float]]]:
    recorded: dict[str, list[tuple[int, float]]] = {}
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            recorded.setdefault(row["name"], []).append((int(row["step"]), float(row["value"])))
    return recorded


def _read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def _keep_curves(report: Path) -> list[str]:
    text = report.read_text() if report.exists() else ""
    section = re.search(r"<h2>Training</h2>(.*?)(<h2>|</body>)", text, re.DOTALL)
    return re.findall(r"<svg.*?</svg>\n", section[1], re.DOTALL) if section else []
