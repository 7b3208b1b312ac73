"""Imitates what cameras and networks do to faces: turn, darken, blur, compress, shrink or half cover them.

Each function changes one uint8 RGB image [H,W,3] and draws from the generator that you pass.
"""

from __future__ import annotations

import cv2
import numpy as np
import simplejpeg
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def jitter_crop(crop: Image, size_px: int, random: Generator) -> Image:
    """The centre of a larger crop as [size,size,3]: slightly turned, scaled and shifted, mirrored half of the time."""
    centre = (crop.shape[0] - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), random.normal(0, 5), np.exp(random.normal(0, 0.05)))
    matrix[:, 2] += (size_px - 1) / 2 - centre + random.normal(0, 2, 2)
    image = cv2.warpAffine(crop, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR)
    return np.ascontiguousarray(image[:, ::-1]) if random.random() < 0.5 else image  # type: ignore[return-value]


def degrade(image: Image, random: Generator, strength: float = 1.0) -> Image:
    """Applies each degradation with its own probability times `strength`."""
    for probability, change in DEGRADATIONS:
        if random.random() < probability * strength:
            image = change(image, random)
    return image


def relight(image: Image, random: Generator) -> Image:
    """Changes gamma, contrast, brightness and white balance, with one look-up table for each channel."""
    levels = (np.arange(256)[:, None] / 255.0) ** np.exp(random.normal(0, 0.25))
    levels = (levels - 0.5) * random.uniform(0.7, 1.3) + 0.5 + random.uniform(-0.1, 0.1)
    table = np.clip(levels * random.uniform(0.9, 1.1, 3) * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[None])  # type: ignore[return-value]


def remove_colour(image: Image, random: Generator) -> Image:
    """Lowers the saturation, to anything from none to two thirds."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    share = max(0.0, random.uniform(-0.5, 0.67))
    return cv2.addWeighted(image, share, grey, 1 - share, 0)  # type: ignore[return-value]


def blur(image: Image, random: Generator) -> Image:
    """Blurs as if out of focus: a Gaussian of 0.5 to 2.5 pixels."""
    return cv2.GaussianBlur(image, (0, 0), random.uniform(0.5, 2.5))  # type: ignore[return-value]


def reduce(image: Image, random: Generator) -> Image:
    """Shrinks to between 25 and 70 % and enlarges again, as if taken from far away."""
    height, width = image.shape[:2]
    small = cv2.resize(image, None, fx=(s := random.uniform(0.25, 0.7)), fy=s, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def compress(image: Image, random: Generator) -> Image:
    """Compresses as JPEG of quality 15 to 69."""
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=int(random.integers(15, 70)))
    decoded: NDArray[np.uint8] = simplejpeg.decode_jpeg(data)
    return decoded


def occlude(image: Image, random: Generator) -> Image:
    """Covers up to half of each side with a plain rectangle, as hands, masks and sunglasses do."""
    height, width = image.shape[:2]
    box_height, box_width = (random.uniform(0.1, 0.5, 2) * (height, width)).astype(int)
    top, left = int(random.integers(height - box_height)), int(random.integers(width - box_width))
    image = image.copy()
    image[top : top + box_height, left : left + box_width] = random.integers(0, 256, 3)
    return image


DEGRADATIONS = (
    (0.6, relight), (0.2, remove_colour), (0.15, blur), (0.25, reduce), (0.2, compress), (0.2, occlude),
)  # fmt: skip
