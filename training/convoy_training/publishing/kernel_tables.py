"""Kernels of image processing, as textbooks print them (Gonzalez and Woods, Digital Image Processing; OpenCV's manual).

Networks slide a kernel over the picture as it stands (cross-correlation); a convolution would turn it by 180 degrees
first. A kernel is a table of numbers and what the sum is divided by, so that whole numbers stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from convoy.core.manifest import Colour, Mapping0To255
from numpy.typing import NDArray

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Kernel:
    """One or two kernels and how a service shows what they give.

    rows: [k,k]; divisor: the sum is divided by it; across: a second kernel, and the answer is then the length
    sqrt(a^2 + b^2) of what the two give. what: a sentence for the card.
    """

    name: str
    what: str
    rows: Rows
    divisor: float = 1.0
    across: Rows | None = None
    colour: Colour = "channels"
    mapping: Mapping0To255 = "as_is"

    @property
    def tables(self) -> NDArray[np.float32]:
        """The kernels, float32 [1 or 2,k,k]."""
        return np.array([self.rows] if self.across is None else [self.rows, self.across], np.float32)


def _turn(rows: Rows) -> Rows:
    return tuple(zip(*rows, strict=True))


def _edges(name: str, what: str, rows: Rows, across: Rows | None = None, mapping: Mapping0To255 = "absolute") -> Kernel:
    return Kernel(name, what, rows, across=across, colour="luminance", mapping=mapping)


Axis = Literal["x", "y"]
VERTICAL: Rows = ((1, 0, -1), (1, 0, -1), (1, 0, -1))
SOBEL_X: Rows = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
SCHARR_X: Rows = ((-3, 0, 3), (-10, 0, 10), (-3, 0, 3))
KERNELS = (
    _edges("edge-vertical", "Vertical edges: positive where the left is brighter (Prewitt's kernel).", VERTICAL),
    _edges("edge-horizontal", "Horizontal edges: positive where the upper part is brighter.", _turn(VERTICAL)),
    _edges("sobel", "The strength of edges of any direction: the length of Sobel's gradient.", SOBEL_X, _turn(SOBEL_X)),
    _edges("sobel-x", "Sobel's gradient along the rows.", SOBEL_X),
    _edges("sobel-y", "Sobel's gradient down the columns.", _turn(SOBEL_X)),
    _edges("scharr", "The strength of edges of any direction: the length of Scharr's gradient, which is rounder than "
           "Sobel's.", SCHARR_X, _turn(SCHARR_X)),
    _edges("scharr-x", "Scharr's gradient along the rows.", SCHARR_X),
    _edges("scharr-y", "Scharr's gradient down the columns.", _turn(SCHARR_X)),
    _edges("laplacian", "The Laplacian of four neighbours: lines, points and both sides of edges.",
           ((0, 1, 0), (1, -4, 1), (0, 1, 0))),
    Kernel("box", "The mean of 3x3 pixels.", ((1, 1, 1),) * 3, 9.0),
    Kernel("gaussian", "A Gaussian of 5x5 pixels, from binomial coefficients: a standard deviation of one pixel.",
           tuple(tuple(float(a * b) for b in (1, 4, 6, 4, 1)) for a in (1, 4, 6, 4, 1)), 256.0),
    Kernel("sharpen", "Sharpens: the picture less its Laplacian.", ((0, -1, 0), (-1, 5, -1), (0, -1, 0))),
    Kernel("emboss", "A relief that is lit from the upper left.", ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))),
)  # fmt: skip
