"""Makes the picture that a network is to mend out of the photograph that it should give."""

from __future__ import annotations

import io
from typing import Annotated, Literal, Self

import numpy as np
from convoy.imaging.task import luminance
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, model_validator

from convoy_training import recipe
from convoy_training.augment.holes import draw_holes

Pixels = NDArray[np.uint8]
"""[H,W] luminance or [H,W,3] RGB."""
Level = Annotated[float, Field(ge=0, le=100)]


class Noise(recipe.Strict):
    """Gaussian noise, independent in every pixel and channel, rounded and cut to 0..255 as a file holds it."""

    kind: Literal["noise"]
    levels: tuple[Level, Level] = Field((0, 55), description="standard deviation in grey levels: drawn between these")
    measured: tuple[Level, ...] = Field((25, 15, 50), description="the levels that are measured, the main one first")

    @property
    def scale(self) -> int:
        """Pixels of the answer for each pixel of the input."""
        return 1

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.levels[0] > self.levels[1] or not self.measured:
            raise ValueError("degrade: levels are (lowest, highest), and one level at least is measured")
        return self

    def draw(self, random: np.random.Generator) -> float:
        """How strong the next picture is changed."""
        return float(random.uniform(*self.levels))

    def apply(self, picture: Pixels, level: float, random: np.random.Generator) -> Pixels:
        """The picture with noise of this level."""
        noisy = picture + level * random.standard_normal(picture.shape, np.float32)
        return np.rint(noisy).clip(0, 255).astype(np.uint8)


class Downscale(recipe.Strict):
    """Shrinks by bicubic interpolation with a smoothed kernel (Pillow's BICUBIC, MATLAB's imresize)."""

    kind: Literal["downscale"]
    factor: Literal[2, 4] = 2
    measured: tuple[Level, ...] = Field((0,), max_length=1)

    @property
    def scale(self) -> int:
        """Pixels of the answer for each pixel of the input."""
        return self.factor

    def draw(self, random: np.random.Generator) -> float:
        """How strong the next picture is changed: always equally."""
        return 0.0

    def apply(self, picture: Pixels, level: float, random: np.random.Generator) -> Pixels:
        """The picture, a whole number of times smaller; its sides must be multiples of the factor."""
        height, width = picture.shape[0] // self.factor, picture.shape[1] // self.factor
        return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


class Jpeg(recipe.Strict):
    """Compresses as JPEG and decodes again. Levels are qualities, 1 to 100."""

    kind: Literal["jpeg"]
    levels: tuple[Level, Level] = Field((5, 60), description="the quality is drawn between these")
    measured: tuple[Level, ...] = Field((20, 10, 40), description="the qualities that are measured, the main one first")

    @property
    def scale(self) -> int:
        """Pixels of the answer for each pixel of the input."""
        return 1

    def draw(self, random: np.random.Generator) -> float:
        """How strong the next picture is changed."""
        return float(random.uniform(*self.levels))

    def apply(self, picture: Pixels, level: float, random: np.random.Generator) -> Pixels:
        """The picture after compression with this quality."""
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=max(1, round(level)))
        return np.asarray(Image.open(file))


class Holes(recipe.Strict):
    """Takes parts of the picture away. Levels are the thickness of the strokes that do so, in pixels.

    The picture that comes out is [H,W,4]: a fourth channel is 255 where it is missing.
    """

    kind: Literal["holes"]
    levels: tuple[Level, Level] = Field((4, 24), description="pixels: the thickness is drawn between these")
    measured: tuple[Level, ...] = Field((12, 24), description="the thicknesses that are measured, the main one first")

    @property
    def scale(self) -> int:
        """Pixels of the answer for each pixel of the input."""
        return 1

    def draw(self, random: np.random.Generator) -> float:
        """How strong the next picture is changed."""
        return float(random.uniform(*self.levels))

    def apply(self, picture: Pixels, level: float, random: np.random.Generator) -> Pixels:
        """The picture [H,W,3] with black holes, and its mask."""
        height, width = picture.shape[:2]
        mask = draw_holes(height, width, level, random)
        return np.dstack([np.where(mask[..., None] > 0, 0, picture).astype(np.uint8), mask])


class Grey(recipe.Strict):
    """Takes the colours away: the brightness stands in all three channels."""

    kind: Literal["grey"]
    measured: tuple[Level, ...] = Field((0,), max_length=1)

    @property
    def scale(self) -> int:
        """Pixels of the answer for each pixel of the input."""
        return 1

    def draw(self, random: np.random.Generator) -> float:
        """How strong the next picture is changed: always equally."""
        return 0.0

    def apply(self, picture: Pixels, level: float, random: np.random.Generator) -> Pixels:
        """The picture [H,W,3] without its colours."""
        return np.repeat(luminance(picture)[..., None], 3, axis=2)


Degradation = Annotated[Noise | Downscale | Jpeg | Holes | Grey, Field(discriminator="kind")]
