"""Report on verification: the ROC curve, how sure the head is, the worst pairs."""

from __future__ import annotations

import numpy as np

from convoy_training.data import identities
from convoy_training.report.charts import Line, draw_histograms, draw_lines
from convoy_training.report.face_embedding import count_errors, show_pairs
from convoy_training.report.page import Section
from convoy_training.task import Predict
from convoy_training.tasks.face_verification import Config, judge_pairs


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The curves over all pairs, and the worst pairs."""
    faces, pairs = identities.load_pairs("lfw")
    probabilities = judge_pairs(predict)
    genuine, impostor = probabilities[pairs.same], probabilities[~pairs.same]
    matched, missed = count_errors(genuine, impostor, np.sort(probabilities)[::-1])
    groups = [("same person", genuine), ("two people", impostor)]
    return [
        Section("ROC", "The true match rate against the false match rate.",
                [draw_lines([Line("", matched, 1 - missed)], "false match rate", "true match rate", steps=True)]),
        Section("Probabilities", "", [draw_histograms(groups, "probability of one person")]),
        Section("Worst pairs", "The least probable pairs of one person, then the most probable of two.",
                shots=[*show_pairs(faces, pairs, probabilities, same=True),
                       *show_pairs(faces, pairs, probabilities, same=False)]),
    ]  # fmt: skip
