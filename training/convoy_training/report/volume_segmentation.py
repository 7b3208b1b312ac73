"""Report on segmentation of volumes: intersection over union by class, and confusions."""

from __future__ import annotations

import numpy as np

from convoy_training.data.mask_files import IGNORE
from convoy_training.metrics.overlap import count_pixels, measure_iou
from convoy_training.report.charts import draw_bars, draw_matrix
from convoy_training.report.page import Section
from convoy_training.task import Predict
from convoy_training.tasks.volume_segmentation import Config, find_masks, load_split


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The IoU by class and the confusions of pixels, of all slices together."""
    data = load_split(config, split)
    pairs = zip(find_masks(predict, config, split), data.examples, strict=True)
    total = np.sum([count_pixels(found, one.read_mask(), len(data.classes), IGNORE) for found, one in pairs], axis=0)
    return [
        Section("Overlap", "Intersection over union of each class over all slices.",
                [draw_bars(data.classes, measure_iou(total).tolist(), "intersection over union")],
                card="Pixels of a class that were found, over those that are or were taken for it: 1 is perfect."),
        Section("Confusions", "Shares of the pixels of each class.", [draw_matrix(total, data.classes, "pixels")]),
    ]  # fmt: skip
