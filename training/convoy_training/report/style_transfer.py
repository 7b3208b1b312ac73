"""Report on painted pictures: what each costs beside Gatys' optimisation, and the pictures themselves."""

from __future__ import annotations

import numpy as np

from convoy_training.report.charts import draw_histograms
from convoy_training.report.page import Section, Shot
from convoy_training.task import Predict
from convoy_training.tasks.style_transfer import Config, paint


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The cost of every measured picture as a multiple of the optimisation's, and all of them beside it."""
    ratios: dict[str, list[float]] = {name: [] for name in config.styles}
    shots = []
    for one in paint(predict, config, split):
        ratios[one.style].append(one.costs[1] / one.costs[2])
        caption = f"{one.style}, {ratios[one.style][-1]:.2f}: photograph, answer, {config.gatys_steps} steps of Gatys'"
        shots.append(Shot(caption, np.hstack([one.photograph, one.answer, one.optimised])))
    groups = [(name, np.array(values)) for name, values in ratios.items()]
    return [
        Section("Cost", "What an answer costs, as a multiple of what Gatys' optimisation reaches.",
                [draw_histograms(groups, "multiple of the optimisation's cost")],
                card="What each painted photograph of the validation split costs, as a multiple of what Gatys' "
                "optimisation of that picture reaches: further left is better."),
        Section("Pictures", "Photograph, answer, and what the optimisation makes of it.", shots=shots),
    ]  # fmt: skip
