"""Report on localisation: confusions, how well boxes fit, the windows with the worst answers."""

from __future__ import annotations

import numpy as np

from convoy_training.metrics.localisation import judge
from convoy_training.report.boxes import KEY, draw_boxes
from convoy_training.report.charts import draw_histograms, draw_matrix
from convoy_training.report.page import Section, Shot
from convoy_training.task import Predict
from convoy_training.tasks.localisation import Config, draw_windows, localise

WORST = 24


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The confusions, with "nothing" as one more class, the overlaps, and the worst windows."""
    windows = draw_windows(config, split)
    names, counts = [*config.sought, "nothing"], np.zeros((len(config.sought) + 1,) * 2, int)
    overlaps, shots = [], []
    for window, answer in zip(windows, localise(predict, config, windows), strict=True):
        outcome = judge(window, answer)
        truth, found = (-1 if label is None else label for label in (window.label, answer.label))
        counts[truth, found] += 1
        if window.label is not None:
            overlaps.append(outcome.overlap)
        box = window.box_xyxy * window.image_rgb.shape[0]
        boxes = answer.box_xyxy[None][: answer.label is not None]
        missed = box[None][: window.label is not None and not outcome.localisation]
        image = draw_boxes(window.image_rgb, boxes, np.full(len(boxes), outcome.localisation), missed)
        caption = f"{names[truth]}, answered {names[found]}, overlap {outcome.overlap:.2f}"
        shots.append((outcome.localisation, outcome.overlap, Shot(caption, image)))
    shots.sort(key=lambda shot: shot[:2])
    return [
        Section("Confusions", "Of classes, whatever the box.", [draw_matrix(counts, names, "windows")]),
        Section("Overlap", "Intersection over union with the truth where there is an object; 0 where it was missed.",
                [draw_histograms([("windows", np.array(overlaps))], "intersection over union")]),
        Section("Worst windows", KEY, shots=[shot for right, _, shot in shots[:WORST] if not right]),
    ]  # fmt: skip
