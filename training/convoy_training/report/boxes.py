"""Matches found boxes with true ones, and draws both into the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from convoy_training.box_geometry import compute_iou

RIGHT, WRONG, MISSED = (40, 160, 60), (220, 40, 40), (240, 170, 0)
KEY = "Green: found and right. Red: found and wrong. Orange: missed."


@dataclass(frozen=True)
class Matches:
    """of_found: for each found box the row of its true box, or -1. truth_found: for each true box, if it was found."""

    of_found: NDArray[np.int64]
    truth_found: NDArray[np.bool_]


def match(found_xyxy: NDArray[np.floating], truth_xyxy: NDArray[np.floating], overlap: float = 0.5) -> Matches:
    """Gives each found box, the surest first, the free true box that it overlaps most, with at least this `overlap`.

    Classes are not compared, so that confusions between them show.
    """
    found, truth = torch.from_numpy(np.float32(found_xyxy)), torch.from_numpy(np.float32(truth_xyxy))
    ious = compute_iou(found[:, None], truth[None]).numpy().copy()
    owners = np.full(len(found), -1)
    for row in range(len(found) if len(truth) else 0):
        best = int(ious[row].argmax())
        if ious[row, best] >= overlap:
            owners[row], ious[:, best] = best, -1
    return Matches(owners, np.isin(np.arange(len(truth)), owners))


def draw_boxes(
    image_rgb: NDArray[np.uint8], found_xyxy: NDArray[np.floating], right: NDArray[np.bool_],
    missed_xyxy: NDArray[np.floating],
) -> NDArray[np.uint8]:  # fmt: skip
    """Draws right, wrong and missed boxes into a copy of the picture."""
    canvas = image_rgb.copy()
    colours = [*(RIGHT if ok else WRONG for ok in right), *[MISSED] * len(missed_xyxy)]
    for box, colour in zip([*found_xyxy, *missed_xyxy], colours, strict=True):
        x0, y0, x1, y1 = (round(float(v)) for v in box)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, 2)
    return canvas
