"""Report on mended pictures: PSNR picture by picture beside the yardstick's, and the least mended ones."""

from __future__ import annotations

import cv2
import numpy as np

from convoy_training.metrics.mending import measure, yardstick
from convoy_training.report.charts import draw_histograms
from convoy_training.report.page import Section, Shot
from convoy_training.task import Images, Predict
from convoy_training.tasks.picture_to_picture import Config, mend

WORST = 6


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The PSNR of every picture at the first measured level, and the pictures that gained least."""
    level, plain_name = config.degrade.measured[0], yardstick(config.degrade).replace("_", " ")
    own, plain, shots = [], [], []
    for truth, answer, baseline, mask in mend(predict, config, split, level):
        own.append(measure(answer, truth, config.degrade, mask)[0])
        plain.append(measure(baseline, truth, config.degrade, mask)[0])
        caption = f"{own[-1]:.2f} dB, {plain_name} {plain[-1]:.2f} dB: original, answer, {plain_name}"
        shots.append((own[-1] - plain[-1], Shot(caption, _side_by_side(truth, answer, baseline))))
    shots.sort(key=lambda shot: shot[0])
    groups = [(config.architecture, np.array(own)), (plain_name, np.array(plain))]
    return [
        Section("PSNR", f"The PSNR of single pictures, of this network and of {plain_name}.",
                [draw_histograms(groups, "PSNR in dB")],
                card=f"How near each picture of the validation split comes to its original, beside {plain_name}: "
                "further right is better."),
        Section("Least gained", f"Original, answer and {plain_name}.", shots=[shot for _, shot in shots[:WORST]]),
    ]  # fmt: skip


def _side_by_side(*pictures: Images) -> Images:
    coloured = [cv2.cvtColor(one, cv2.COLOR_GRAY2RGB) if one.ndim == 2 else one for one in pictures]
    return np.asarray(np.hstack(coloured), np.uint8)
