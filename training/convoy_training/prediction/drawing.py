"""Draws answers into pictures, with the same hand as the command `convoy`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from convoy.drawing.drawing import draw_classification, draw_detections, draw_segmentation
from numpy.typing import NDArray

from convoy_training.prediction.answering import Answer


def draw(image_rgb: NDArray[np.uint8], answer: Answer) -> NDArray[np.uint8]:
    """The picture [H,W,3] with labels, boxes or the coloured mask; a made picture stands beside what it was made of."""
    if answer.made is not None:
        made = answer.made if answer.made.ndim == 3 else np.repeat(answer.made[..., None], 3, axis=2)
        before = cv2.resize(image_rgb, (made.shape[1], made.shape[0]), interpolation=cv2.INTER_NEAREST)
        return np.hstack([before, made]).astype(np.uint8)
    # The drawing takes the client's answers, which are read from messages; these have the same fields.
    parts: list[Any] = [
        SimpleNamespace(
            label=one.label,
            index=one.index,
            probability=one.score,
            score=one.score,
            area=one.score,
            mask=None,
            points=(),
        )
        for one in answer.found
    ]
    if answer.mask is not None:
        seen: Any = SimpleNamespace(mask=answer.mask, regions=parts)
        return draw_segmentation(image_rgb, seen)
    if any(one.box_xyxy for one in answer.found):
        for part, one in zip(parts, answer.found, strict=True):
            assert one.box_xyxy is not None
            x_min, y_min, x_max, y_max = one.box_xyxy
            part.box = SimpleNamespace(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max, width=x_max - x_min)
        seen = SimpleNamespace(detections=parts)
        return draw_detections(image_rgb, seen)
    seen = SimpleNamespace(labels=parts)
    return draw_classification(image_rgb, seen) if parts else image_rgb.copy()
