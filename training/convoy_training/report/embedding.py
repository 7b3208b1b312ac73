"""Report on embeddings: how similarities tell pictures of one class from those of two."""

from __future__ import annotations

import numpy as np

from convoy_training.report.charts import draw_histograms
from convoy_training.report.page import Section
from convoy_training.task import Predict
from convoy_training.tasks.embedding import Config, choose, embed

COMPARED = 600


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The similarities of all pairs of pictures, of one class and of two."""
    images, labels, _ = choose(config.model_copy(update={"measured": min(config.measured, COMPARED)}), split)
    vectors = embed(predict, config, images)
    rows, columns = np.triu_indices(len(labels), 1)
    similarities, same = (vectors @ vectors.T)[rows, columns], labels[rows] == labels[columns]
    groups = [("one class", similarities[same]), ("two classes", similarities[~same])]
    note = f"All pairs of {len(labels)} pictures."
    return [
        Section("Similarities", note, [draw_histograms(groups, "similarity")],
                card="How similar pictures of one class are, and of two: the less the two overlap, the better.")
    ]  # fmt: skip
