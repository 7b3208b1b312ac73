"""Explains a photo, as the service sees it, and draws the map over it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from convoy.classification import task
from convoy.core.pictures.decoding import decode_image
from convoy.core.pictures.heat import lay_over
from convoy.core.pictures.occlusion import lay_out
from numpy.typing import NDArray

from convoy_training.errors import TrainingError
from convoy_training.explanation.maps import Explain, Floats
from convoy_training.explanation.network import Opened


@dataclass(frozen=True)
class ExplainedPhoto:
    """A label with its probability, its map of the photo, and the photo with the map over it, uint8 RGB [H,W,3]."""

    label: str
    probability: float
    heat: Floats
    drawn: NDArray[np.uint8]


def find_label(opened: Opened, label: str) -> int:
    """The position of a label. Raises TrainingError if the classifier does not know it."""
    if label not in opened.labels:
        raise TrainingError(f"there is no label '{label}'; there are {', '.join(opened.labels[:20])}")
    return opened.labels.index(label)


def explain_photo(opened: Opened, explain: Explain, photo: bytes, label: str = "") -> ExplainedPhoto:
    """Explains a picture file; label: empty for the most probable one. Raises TrainingError, InvalidArgument."""
    index = find_label(opened, label) if label else None
    manifest = opened.task.describe(opened.config).preview()
    picture = decode_image(photo, window=manifest.input.window)
    canvas, placement = task.prepare(picture, manifest)
    with torch.inference_mode():
        probabilities = opened.graph()(torch.from_numpy(canvas[None]))[0].numpy()
    index = int(probabilities.argmax()) if index is None else index
    heat = lay_out(explain(canvas, index), placement, picture)
    size = (picture.image_rgb.shape[1], picture.image_rgb.shape[0])
    over = cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR)
    drawn = lay_over(picture.image_rgb, np.asarray(over, np.float32))
    return ExplainedPhoto(opened.labels[index], float(probabilities[index]), heat, drawn)
