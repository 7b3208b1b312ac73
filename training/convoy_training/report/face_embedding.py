"""Report on face embedding: how similarities separate people, error rates by threshold, the worst pairs."""

from __future__ import annotations

import numpy as np

from convoy_training.data import identities
from convoy_training.metrics.face_embedding import assess_faces, pair_with_quality
from convoy_training.metrics.rejection import measure_miss_after_rejection
from convoy_training.report.charts import Line, draw_histograms, draw_lines
from convoy_training.report.page import Section, Shot
from convoy_training.task import Predict
from convoy_training.tasks.face_embedding import Config, embed, load_held_out

WORST = 8
CARD = (
    "A pair is taken for one person where its similarity reaches the threshold: the higher that is, the fewer "
    "strangers match, and the more people do not match themselves."
)
REJECTED = np.linspace(0, 0.5, 26)


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The ROC of all sets of held-out pairs, and for each set its similarities, error rates and worst pairs."""
    sections: list[Section] = []
    characteristics = []
    for dataset, title, faces, pairs in load_held_out(config):
        vectors = embed(predict, faces.crops)
        similarities = (vectors[pairs.first] * vectors[pairs.second]).sum(axis=1)
        genuine, impostor = similarities[pairs.same], similarities[~pairs.same]
        thresholds = np.unique(similarities)
        matched, missed = count_errors(genuine, impostor, thresholds)
        characteristics.append(Line(title, matched[::-1], 1 - missed[::-1]))
        errors = [
            Line("false matches (FMR)", thresholds, matched),
            Line("false non-matches (FNMR)", thresholds, missed),
        ]
        groups = [("same person", genuine), ("two people", impostor)]
        note = f"{len(genuine)} pairs of one person and {len(impostor)} of two, none of them trained on."
        sections.append(
            Section(f"{title}: similarities and errors", note,
                    [draw_lines(errors, "threshold", "rate", steps=True), draw_histograms(groups, "similarity")],
                    card="" if sections else f"{CARD} {note}")
        )  # fmt: skip
        sections.append(
            Section(f"{title}: worst pairs", "The least similar pairs of one person, then the most similar of two.",
                    shots=[*show_pairs(faces, pairs, similarities, same=True),
                           *show_pairs(faces, pairs, similarities, same=False)])
        )  # fmt: skip
        if dataset == "lfw":
            sections.append(show_rejection(vectors, faces))
    roc = draw_lines(characteristics, "false match rate", "true match rate", log_x=True, steps=True)
    note = "The true match rate against the false match rate, logarithmic."
    card = (
        "How many pairs of one person match (up) where so many pairs of two people do (right, logarithmic): the "
        "higher, the better."
    )
    return [Section("ROC", note, [roc], card=card), *sections]


def show_rejection(vectors: np.ndarray, faces: identities.Faces) -> Section:
    """The error-versus-reject curves of the service's quality, of each of its parts, and of an ideal quality."""
    qualities = assess_faces(faces)
    lines = []
    for name in ("score", "size", "sharpness", "exposure", "frontality"):
        quality = np.array([getattr(face, name) for face in qualities])
        genuine, pairs, threshold = pair_with_quality(vectors, faces.labels, quality)
        lines.append(Line(name, REJECTED, measure_misses(genuine, pairs, threshold)))
    lines.append(Line("if quality were similarity itself", REJECTED, measure_misses(genuine, genuine, threshold)))
    note = (
        f"{len(genuine)} genuine pairs at a false match rate of 1e-3; a pair is as good as its poorer face. A curve "
        "that falls predicts errors; a level one refuses photos for nothing (Grother and Tabassi, TPAMI 2007)."
    )
    return Section("Quality: errors against rejected pairs", note,
                   [draw_lines(lines, "share of pairs refused", "false non-match rate")])  # fmt: skip


def measure_misses(genuine: np.ndarray, quality: np.ndarray, threshold: float) -> np.ndarray:
    """The false non-match rate at each share of `REJECTED`."""
    return np.array([measure_miss_after_rejection(genuine, quality, threshold, share) for share in REJECTED])


def count_errors(genuine: np.ndarray, impostor: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FMR and FNMR at each threshold; a pair matches at or above it (ISO/IEC 19795-1)."""
    matched = 1 - np.searchsorted(np.sort(impostor), thresholds, side="left") / len(impostor)
    missed = np.searchsorted(np.sort(genuine), thresholds, side="left") / len(genuine)
    return matched, missed


def show_pairs(faces: identities.Faces, pairs: identities.Pairs, similarities: np.ndarray, *, same: bool) -> list[Shot]:
    """The pairs whose similarity is most wrong."""
    rows = np.flatnonzero(pairs.same == same)
    worst = rows[np.argsort(similarities[rows] * (1 if same else -1), kind="stable")][:WORST]
    kind = "one person" if same else "two people"
    return [
        Shot(
            f"{kind}, similarity {similarities[i]:.3f}",
            np.hstack([faces.crops[pairs.first[i]], faces.crops[pairs.second[i]]]),
        )
        for i in worst
    ]
