"""Judges how much more two people in one photo resemble each other than two in different photos."""

from __future__ import annotations

import numpy as np

from convoy_training.data.group_photos import MIN_SIDE_PX, TITLE, GroupFaces
from convoy_training.metrics.same_photo import Compared, compare_group_faces, measure_same_photo
from convoy_training.protocols.subject import Outcome
from convoy_training.report.charts import Line, draw_histograms, draw_lines
from convoy_training.report.page import Section, Shot
from convoy_training.task import Metric, Predict
from convoy_training.tasks.face_embedding import embed

SIDES_PX = (MIN_SIDE_PX, 32)
FEWEST_PAIRS = 100
WORST = 16


def judge_same_photo(predict: Predict, faces: GroupFaces) -> Outcome:
    """Counts pairs of people in one photo at thresholds that a given share of pairs from different photos reaches."""
    vectors = embed(predict, faces.crops)
    metrics: list[Metric] = []
    for side in SIDES_PX:
        chosen = np.flatnonzero(faces.sides_px >= side)
        photos = np.unique(faces.photos[chosen], return_inverse=True)[1]
        compared = compare_group_faces(vectors[chosen], photos)
        if (count := int(compared.same.sum())) >= FEWEST_PAIRS:
            metrics += _list_rates(compared, count, side)
    compared = compare_group_faces(vectors, faces.photos)
    same, different = compared.similarities[compared.same], compared.similarities[~compared.same]
    grid = np.linspace(0, 1, 101)
    lines = [
        Line(f"{TITLE}: {name}", grid, np.array([np.mean(values >= t) for t in grid]))
        for name, values in (("one photo", same), ("different photos", different))
    ]
    note = "Faces of different people. Those of one photo share camera and light, and many are related."
    shown = [Line(line.label.split(": ")[1], line.x, line.y) for line in lines]
    charts = [
        draw_lines(shown, "similarity", "false match rate"),
        draw_histograms([("one photo", same), ("different photos", different)], "similarity"),
    ]
    sections = [
        Section(f"{TITLE}: people in one photo", note, charts),
        Section(f"{TITLE}: most similar people in one photo", "", shots=_show_worst(faces, vectors)),
    ]
    return Outcome(metrics, lines, sections)


def _list_rates(compared: Compared, count: int, side: int) -> list[Metric]:
    others = int((~compared.same).sum())
    split = f"{int(max(compared.first.max(), compared.second.max())) + 1} held-out photos, faces of {side} px and more"
    metrics = []
    for rate, (threshold, value, interval) in measure_same_photo(compared).items():
        condition = (
            f"similarity {threshold:.4f}, which {rate:g} of {others:,} pairs from different photos reach; "
            "interval by photos"
        )
        name = f"same_photo_fmr_at_fmr_{rate:.0e}".replace("e-0", "e-")
        metrics.append(Metric(name, value, TITLE, split, count, interval, condition))
    return metrics


def _show_worst(faces: GroupFaces, vectors: np.ndarray) -> list[Shot]:
    rows, columns = np.triu_indices(len(faces.photos), 1)
    within = faces.photos[rows] == faces.photos[columns]
    rows, columns = rows[within], columns[within]
    similarities = (vectors[rows] * vectors[columns]).sum(axis=1)
    return [
        Shot(f"similarity {similarities[one]:.3f}", np.hstack([faces.crops[rows[one]], faces.crops[columns[one]]]))
        for one in np.argsort(-similarities)[:WORST]
    ]
