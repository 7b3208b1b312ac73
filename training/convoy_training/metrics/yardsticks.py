"""What networks that mend pictures are compared with: what needs no training."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
NLM_STRENGTHS = ((15, 1.0), (25, 0.9), (50, 0.75))
"""OpenCV's h for each grey level of noise, by that level: the best of 0.6 to 1.2 on six training photographs."""
TELEA_RADIUS_PX = 5
"""How far Telea's method looks: the best of 3, 5, 9 and 15 on six training photographs, strokes of 12 px."""


def enlarge(small: Pixels, scale: int) -> Pixels:
    """Pillow's bicubic interpolation."""
    size = (small.shape[1] * scale, small.shape[0] * scale)
    return np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))


def average_alike(noisy: Pixels, level: float) -> Pixels:
    """OpenCV's non-local means, for a level of noise in grey levels."""
    return _average_alike(noisy.tobytes(), noisy.shape, level)


@lru_cache(maxsize=160)
def _average_alike(pixels: bytes, shape: tuple[int, ...], level: float) -> Pixels:
    """Kept, since it takes longer than a network and export measures the same pictures several times."""
    noisy = np.frombuffer(pixels, np.uint8).reshape(shape)
    levels, factors = zip(*NLM_STRENGTHS, strict=True)
    strength = level * float(np.interp(level, levels, factors))
    if noisy.ndim == 2:
        return np.asarray(cv2.fastNlMeansDenoising(noisy, None, strength), np.uint8)
    return np.asarray(cv2.fastNlMeansDenoisingColored(noisy, None, strength, strength), np.uint8)


def fill_by_telea(picture: Pixels, mask: Pixels) -> Pixels:
    """OpenCV's inpainting by Telea's method (2004). mask: [H,W], above 0 where to fill."""
    return np.asarray(cv2.inpaint(picture, mask, TELEA_RADIUS_PX, cv2.INPAINT_TELEA), np.uint8)
