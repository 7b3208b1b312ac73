"""Report on segmentation: intersection over union by class, confusions, the worst frames."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from convoy_training.data.mask_files import IGNORE
from convoy_training.metrics.overlap import count_pixels, measure_iou, measure_mean_iou
from convoy_training.report.charts import draw_bars, draw_histograms, draw_matrix
from convoy_training.report.page import Section, Shot
from convoy_training.task import Predict
from convoy_training.tasks.segmentation import Config, find_masks, load_split

WORST = 6


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The IoU by class and by frame, the confusions of pixels, and the worst frames."""
    data, colours = load_split(config, split), choose_colours(config)
    counts, shots = [], []
    for example, found in zip(data.examples, find_masks(predict, config, split), strict=True):
        image, truth = example.photo.decode().image_rgb, example.read_mask()
        counts.append(count_pixels(found, truth, len(data.classes), IGNORE))
        value = measure_mean_iou(counts[-1])
        picture = np.hstack([image, colours[truth], colours[np.where(truth == IGNORE, IGNORE, found)]])
        shots.append(
            (value, Shot(f"{example.photo.name}, mean IoU {value:.3f}: picture, truth, answer", shrink(picture)))
        )
    total = np.sum(counts, axis=0)
    by_frame = np.array([value for value, _ in shots])
    shots.sort(key=lambda shot: shot[0])
    return [
        Section("Overlap", "Intersection over union of each class over all frames, and the mean IoU of single frames.",
                [draw_bars(data.classes, measure_iou(total).tolist(), "intersection over union"),
                 draw_histograms([("frames", by_frame)], "mean IoU of a frame")],
                card="Pixels of a class that were found, over those that are or were taken for it, in all pictures "
                "together: 1 is perfect."),
        Section("Confusions", "Shares of the pixels of each class.", [draw_matrix(total, data.classes, "pixels")],
                card="Each row is a class, each column an answer: shares of its pixels; the diagonal is right."),
        Section("Worst frames", "Picture, truth and answer; black is not labelled.",
                shots=[shot for _, shot in shots[:WORST]]),
    ]  # fmt: skip


def choose_colours(config: Config) -> np.ndarray:
    """Colours uint8 [256,3] by class id: those of the recipe, or one hue per class; ignored pixels are black."""
    palette: Sequence[tuple[int, int, int]] = config.palette
    if not palette:
        count = len(load_split(config, "train").classes)
        hues = (colorsys.hsv_to_rgb(i / count, 0.65, 0.9) for i in range(count))
        palette = [(int(255 * r), int(255 * g), int(255 * b)) for r, g, b in hues]
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    return table


def shrink(picture: np.ndarray, width: int = 960) -> np.ndarray:
    """Shrinks a picture to at most this width, in pixels."""
    height = picture.shape[0] * width // picture.shape[1]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) if picture.shape[1] > width else picture
