"""RandAugment (Cubuk et al. 2020, arXiv:1909.13719): some operations, drawn for each picture, all of one strength.

Operations and ranges are those of the paper's code, with a strength from 0 to 10 (30 steps there, as in torchvision).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from pydantic import Field

from convoy_training.recipe import Strict

GREY = (128, 128, 128)


class RandAugment(Strict):
    """How many operations change each picture, and how strongly."""

    operations: int = Field(2, gt=0, le=10, description="drawn for each picture")
    strength: float = Field(9.0, ge=0, le=10, description="of each, 0 to 10")


def rand_augment(image: NDArray[np.uint8], how: RandAugment, random: np.random.Generator) -> NDArray[np.uint8]:
    """Changes a picture uint8 RGB [H,W,3]; pixels from outside it are grey."""
    picture = Image.fromarray(image)
    share = how.strength / 10
    for name in random.choice(sorted(OPERATIONS), how.operations):
        sign = 1.0 if random.random() < 0.5 else -1.0
        picture = OPERATIONS[name](picture, share, sign)
    return np.asarray(picture)


def _move(picture: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=GREY)


def _enhance(kind: Any) -> Callable[[Image.Image, float, float], Image.Image]:
    return lambda picture, share, sign: kind(picture).enhance(1 + sign * 0.9 * share)


OPERATIONS: dict[str, Callable[[Image.Image, float, float], Image.Image]] = {
    "identity": lambda picture, share, sign: picture,
    "auto_contrast": lambda picture, share, sign: ImageOps.autocontrast(picture),
    "equalize": lambda picture, share, sign: ImageOps.equalize(picture),
    "rotate": lambda picture, share, sign: picture.rotate(30 * share * sign, Image.Resampling.BILINEAR, fillcolor=GREY),
    "posterize": lambda picture, share, sign: ImageOps.posterize(picture, 8 - round(4 * share)),
    "solarize": lambda picture, share, sign: ImageOps.solarize(picture, round(256 * (1 - share))),
    "brightness": _enhance(ImageEnhance.Brightness),
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "sharpness": _enhance(ImageEnhance.Sharpness),
    "shear_x": lambda picture, share, sign: _move(picture, (1, 0.3 * share * sign, 0, 0, 1, 0)),
    "shear_y": lambda picture, share, sign: _move(picture, (1, 0, 0, 0.3 * share * sign, 1, 0)),
    "translate_x": lambda picture, share, sign: _move(picture, (1, 0, 0.45 * share * sign * picture.width, 0, 1, 0)),
    "translate_y": lambda picture, share, sign: _move(picture, (1, 0, 0, 0, 1, 0.45 * share * sign * picture.height)),
}
"""By name: picture, share of the full strength, sign -> picture."""
