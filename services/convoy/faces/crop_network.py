"""A small network that judges an aligned crop; likeness.py and visibility.py each have the weights of one.

It judges histograms of oriented gradients (Dalal and Triggs, CVPR 2005), which are the same for both.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.pictures.decoding import Pixels

SIDE_PX, CELL_PX, BINS = 64, 8, 9
"""The crop's side, a cell's side, and the directions of a cell's histogram."""
CELLS = SIDE_PX // CELL_PX
_CELL_OF_PIXEL = np.kron(np.arange(CELLS**2).reshape(CELLS, CELLS), np.ones((CELL_PX, CELL_PX), np.int64)).ravel()

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class CropNetwork:
    """Two layers: hidden [F, H] with bias [H], and out [H] with its bias."""

    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: float

    def judge(self, features: Floats) -> float:
        """The probability that features [F] are those of a crop as it should be."""
        active = np.maximum(features @ self.hidden + self.hidden_bias, 0.0)
        return float(1.0 / (1.0 + np.exp(-(active @ self.out + self.out_bias))))


def describe(aligned_rgb: Pixels) -> Floats:
    """The features [1764] of an aligned crop: the gradients' directions in 8x8 cells, normalised in blocks of 2x2."""
    grey = cv2.resize(cv2.cvtColor(aligned_rgb, cv2.COLOR_RGB2GRAY), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    along_x, along_y = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=1) for order in ((1, 0), (0, 1)))
    size, degrees = cv2.cartToPolar(along_x, along_y, angleInDegrees=True)
    # A gradient shares itself out between the two directions next to its own; opposite directions are one.
    place = np.asarray(degrees, np.float32).ravel() * (BINS / 180)
    lower = np.floor(place)
    upper_share, size = place - lower, np.asarray(size, np.float32).ravel()
    first, cell = lower.astype(np.int64) % BINS, _CELL_OF_PIXEL * BINS
    count = CELLS**2 * BINS
    cells = np.bincount(cell + first, size * (1 - upper_share), count)
    cells += np.bincount(cell + (first + 1) % BINS, size * upper_share, count)
    grid = cells.astype(np.float32).reshape(CELLS, CELLS, BINS)
    blocks = np.concatenate([grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]], axis=2)
    # Clipped, so that one strong edge does not hide the others.
    clipped = np.minimum(blocks / (np.linalg.norm(blocks, axis=2, keepdims=True) + 1e-3), 0.2)
    return np.asarray(clipped / (np.linalg.norm(clipped, axis=2, keepdims=True) + 1e-3), np.float32).reshape(-1)


def load_network(weights: Path) -> CropNetwork:
    """A network that comes with this distribution."""
    with np.load(weights) as stored:
        parts = {name: stored[name].astype(np.float32) for name in ("hidden", "hidden_bias", "out", "out_bias")}
    return CropNetwork(parts["hidden"], parts["hidden_bias"], parts["out"], float(parts["out_bias"]))
