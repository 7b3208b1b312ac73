"""Draws what an object has beside its box: its pixels, and named points on it."""

from collections.abc import Sequence

import cv2
import numpy as np

from convoy.client.answers.common import ImageRGB
from convoy.client.answers.vision import Detection
from convoy.drawing.colours import Colour

POINT: Colour = (240, 160, 32)
LEAST_SCORE = 0.5
"""Points that are less sure to be visible are not drawn."""


def paint_masks(
    image_rgb: ImageRGB, found: Sequence[Detection], colours: Sequence[Colour], opacity: float = 0.5
) -> ImageRGB:
    """Lay each object's colour over its pixels, the best object on top. Returns a new picture."""
    picture = image_rgb.copy()
    for one, colour in reversed(list(zip(found, colours, strict=True))):
        if one.mask is None:
            continue
        inside = one.mask.pixels
        if inside.shape == picture.shape[:2]:
            mixed = image_rgb[inside] * (1 - opacity) + np.array(colour) * opacity
            picture[inside] = mixed.round().astype(np.uint8)
    return picture


def draw_points(picture: ImageRGB, found: Detection, line: int) -> None:
    """Draw the points that are likely to be visible."""
    radius = max(1, min(line + 1, round(found.box.width / 30)))
    for point in found.points:
        if point.score is None or point.score >= LEAST_SCORE:
            centre = round(point.position.x), round(point.position.y)
            cv2.circle(picture, centre, radius, POINT, cv2.FILLED, cv2.LINE_AA)
