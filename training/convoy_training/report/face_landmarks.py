"""Report on landmarks: the errors of all faces, how sure the network is of a face, the worst faces."""

from __future__ import annotations

import cv2
import numpy as np

from convoy_training.metrics.landmarks import measure_errors
from convoy_training.report.boxes import RIGHT, WRONG
from convoy_training.report.charts import Line, draw_histograms, draw_lines
from convoy_training.report.page import Section, Shot
from convoy_training.task import Predict
from convoy_training.tasks.face_landmarks import Config, collate, draw_windows, find_landmarks

WORST = 24


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The cumulative error curve, the probabilities of a face, and the worst faces."""
    scenes = draw_windows(config, split)
    probabilities, points = find_landmarks(predict, scenes)
    face, truth = (t.numpy() for t in collate(scenes))
    rows = np.flatnonzero(face)
    errors = measure_errors(points[rows], truth[rows] * config.size_px)
    order, shares = np.sort(errors), np.arange(1, len(errors) + 1) / len(errors)
    worst = rows[np.argsort(-errors, kind="stable")][:WORST] if len(errors) == len(rows) else rows[:0]
    shots = [
        Shot("green: truth, red: answer", _draw(scenes[i].image_rgb, truth[i] * config.size_px, points[i]))
        for i in worst
    ]
    groups = [("face", probabilities[face]), ("background", probabilities[~face])]
    return [
        Section("Errors", "The share of faces whose points are off by at most so much, in eye distances.",
                [draw_lines([Line("", order, shares)], "mean error by eye distance", "share of faces")]),
        Section("Face or not", "", [draw_histograms(groups, "probability of a face")]),
        Section("Worst faces", "", shots=shots),
    ]  # fmt: skip


def _draw(image: np.ndarray, truth: np.ndarray, found: np.ndarray, scale: int = 4) -> np.ndarray:
    canvas = cv2.resize(image, None, fx=scale, fy=scale)
    for points, colour in ((truth, RIGHT), (found, WRONG)):
        for x, y in points:
            if np.isfinite(x + y):
                cv2.circle(canvas, (round(float(x) * scale), round(float(y) * scale)), 3, colour, -1)
    return canvas
