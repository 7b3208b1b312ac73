"""Shows maps of numbers as pictures: in grey, or laid over the picture that they are about."""

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.pictures.decoding import Pixels

Floats = npt.NDArray[np.float32]
RED, BLUE = (235, 40, 30), (30, 90, 235)
MIDDLE, REACH = 128, 127
"""The grey of 0, and how far the greys of the peak lie from it."""
_BAND = 2**16
"""How many pixels are coloured at a time."""


def peak_of(heat: Floats) -> float:
    """Return the largest absolute value of a map."""
    return float(np.abs(heat).max(initial=0.0))


def to_grey(heat: Floats) -> npt.NDArray[np.uint8]:
    """Write a map [H, W] as grey: 128 for 0, 255 for the peak, 1 for its opposite."""
    peak = peak_of(heat)
    return np.asarray(np.rint(MIDDLE + REACH * (heat / peak if peak else heat)), np.uint8)


def lay_over(image_rgb: Pixels, heat: Floats, opacity: float = 0.65) -> Pixels:
    """Lay a map [h, w] over a picture [H, W, 3] of any size: red where it is positive, blue where negative.

    The colour is the denser the larger the value; at the peak it covers `opacity` of the picture.
    """
    peak = peak_of(heat)
    if not peak:
        return image_rgb.copy()
    size = (image_rgb.shape[1], image_rgb.shape[0])
    strength = cv2.resize(np.asarray(heat / peak, np.float32), size, interpolation=cv2.INTER_LINEAR)
    laid = np.empty_like(image_rgb)
    # Some rows at a time: a colour in floats takes twelve bytes a pixel, several times over.
    rows = max(1, _BAND // size[0])
    for top in range(0, size[1], rows):
        part = strength[top : top + rows, :, None]
        colour = np.where(part > 0, np.array(RED, np.float32), np.array(BLUE, np.float32))
        density = np.abs(part) * np.float32(opacity)
        laid[top : top + rows] = np.rint(image_rgb[top : top + rows] * (1 - density) + colour * density)
    return laid
