"""Whether the object is found: with the right class and an IoU of 0.5 (Russakovsky et al. 2015, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from convoy.core.pictures.geometry import compute_iou
from numpy.typing import NDArray

from convoy_training.augment.window import Window


@dataclass(frozen=True)
class Answer:
    """box_xyxy [4] in pixels of the window, and the class; label is None if nothing was found."""

    box_xyxy: NDArray[np.floating]
    label: int | None


@dataclass(frozen=True)
class Outcome:
    """localisation: the whole answer is right. presence: whether there is an object is right. overlap: IoU or 0."""

    localisation: bool
    presence: bool
    overlap: float


def judge(window: Window, answer: Answer) -> Outcome:
    """Compares an answer with the truth."""
    presence = (answer.label is None) == (window.label is None)
    if window.label is None or answer.label is None:
        return Outcome(presence, presence, 0.0)
    truth = window.box_xyxy * window.image_rgb.shape[0]
    overlap = float(compute_iou(truth, answer.box_xyxy[None])[0])
    return Outcome(answer.label == window.label and overlap >= 0.5, presence, overlap)
