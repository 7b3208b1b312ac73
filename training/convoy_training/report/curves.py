"""Draws the curves that a run wrote for TensorBoard."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from convoy_training.report import REPORT
from convoy_training.report.charts import Line, draw_lines, draw_smoothed


def read_curves(run: Path) -> list[str]:
    """One chart for each recorded number, and one for all validation metrics; none if there are no records.

    A published model does not have its run any more: its charts are read from the report that export wrote.
    """
    folder = run / "curves"
    if not folder.is_dir():
        return _keep_curves(run / REPORT)
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    charts, validated = [], []
    for tag in sorted(events.Tags()["scalars"], key=lambda tag: (tag != "loss", tag)):
        steps, values = (np.array(side) for side in zip(*((e.step, e.value) for e in events.Scalars(tag)), strict=True))
        if tag.startswith("validation/"):
            validated.append(Line(tag.removeprefix("validation/"), steps, values))
        else:
            charts.append(draw_smoothed(steps, values, "step", tag))
    if validated and len(validated[0].x) > 1:
        charts.append(draw_lines(validated, "step", "validation"))
    return charts


def _keep_curves(report: Path) -> list[str]:
    text = report.read_text() if report.exists() else ""
    section = re.search(r"<h2>Training</h2>(.*?)(<h2>|</body>)", text, re.DOTALL)
    return re.findall(r"<svg.*?</svg>\n", section[1], re.DOTALL) if section else []
