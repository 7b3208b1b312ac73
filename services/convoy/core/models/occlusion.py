"""Explains an answer by occlusion: the graph looks at the picture once for each place that is covered.

It needs nothing of a graph but its outputs, so that it works with every graph, imported ones too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from convoy.core.errors import FailedPrecondition
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Pixels
from convoy.core.pictures.occlusion import Floats, divide, mean_colour, spread
from convoy.core.pictures.resizing import Placement


@dataclass(frozen=True)
class Target:
    """What is explained: a label, by index, and `measure`, from one row of the outputs to how much they say it."""

    index: int
    measure: Callable[[Outputs], float]

    def score(self, outputs: Outputs) -> float:
        """Measure one row of the outputs. Raises FailedPrecondition(BAD_MODEL) if that is no number."""
        score = float(self.measure(outputs))
        if not math.isfinite(score):
            raise FailedPrecondition("BAD_MODEL", f"the graph's score of the label is {score}, which is no number")
        return score


class Occlusion:
    """The looks at one picture, which `Pipeline.run_tiles` takes through the model.

    canvas: the graph's input [H, W, 3], of which `placement` shows the picture; score: of the whole picture.
    """

    def __init__(self, canvas: Pixels, placement: Placement, target: Target, score: float, cells: int) -> None:
        self._canvas = canvas
        self._colour = mean_colour(canvas, placement)
        self._grid = divide(placement, cells)
        self._target = target
        self.score = score
        self._falls = np.zeros(self._grid.covers, np.float32)

    @property
    def tiles(self) -> Sequence[tuple[int, int]]:
        """The places to cover, as row and column."""
        return list(np.ndindex(*self._grid.covers))

    def look(self, tile: tuple[int, int], /) -> Pixels:
        """Cover a place."""
        return self._grid.cover(self._canvas, *tile, self._colour)

    def put(self, tile: tuple[int, int], outputs: Outputs, /) -> None:
        """Note by how much the score falls when the place is covered."""
        self._falls[tile] = self.score - self._target.score(outputs)

    def cells(self) -> Floats:
        """By how much the score falls when a cell is covered, [R, C]."""
        return spread(self._falls)
