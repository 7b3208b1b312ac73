"""Masks of single objects as COCO's run lengths (Lin et al. 2014), as pycocotools reads and writes them.

A mask is read column by column, from the top: `counts` are the lengths of runs outside and inside the object in turn,
and the first run is outside. The compressed text takes 5 bits a character, after the difference to the count before the
last (cocoapi, common/maskApi.c, rleToString).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument

Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
_FIRST_CHARACTER = 48
_DELTA_FROM = 3
"""From this count on, the text has differences."""


@dataclass(frozen=True, eq=False)
class RunLengths:
    """The mask of one object in a picture of height x width pixels. counts: [R], whose sum is height x width."""

    height: int
    width: int
    counts: Counts

    @property
    def area(self) -> int:
        """How many pixels are inside."""
        return int(self.counts[1::2].sum())

    def text(self) -> str:
        """COCO's compressed counts."""
        counts = self.counts.copy()
        counts[_DELTA_FROM:] -= self.counts[1:-2]
        return "".join(map(_write, counts.tolist()))

    def bounds(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom edge of the pixels inside; all 0 if there are none."""
        edges = self.counts.cumsum()
        starts, ends = edges[0::2][: len(self.counts) // 2], edges[1::2] - 1
        if not self.area:
            return 0, 0, 0, 0
        left, right = int(starts[0] // self.height), int(ends[-1] // self.height) + 1
        if (starts // self.height != ends // self.height).any():  # a run over the bottom reaches both sides
            return left, 0, right, self.height
        return left, int((starts % self.height).min()), right, int((ends % self.height).max()) + 1

    def pixels(self, left: int = 0, top: int = 0, right: int | None = None, bottom: int | None = None) -> Bools:
        """The mask [bottom - top, right - left] of a part of the picture; by default of all of it."""
        right, bottom = self.width if right is None else right, self.height if bottom is None else bottom
        starts = self.counts.cumsum()
        first, last = left * self.height, right * self.height
        edges = starts.clip(first, last) - first
        values = np.arange(len(edges)) % 2 == 1
        flat = np.repeat(values, np.diff(edges, prepend=0))
        return np.asarray(flat.reshape(right - left, self.height).T[top:bottom])


def encode_pixels(part: Bools, left: int, top: int, height: int, width: int) -> RunLengths:
    """Encode an object whose pixels all lie in `part` [h, w], at (left, top) of a picture of height x width pixels."""
    columns = np.zeros((part.shape[1], part.shape[0] + 2), np.int8)
    columns[:, 1:-1] = part.T
    steps = np.diff(columns, axis=1)
    starts, ends = (_places(steps == step, left, top, height) for step in (1, -1))
    # A run that reaches the bottom goes on at the top of the next column.
    joined = starts[1:] == ends[:-1]
    starts = np.delete(starts, np.flatnonzero(joined) + 1)
    ends = np.delete(ends, np.flatnonzero(joined))
    edges = np.stack([starts, ends], axis=1).reshape(-1)
    total = height * width
    if not len(edges) or edges[-1] != total:
        edges = np.append(edges, total)
    return RunLengths(height, width, np.diff(edges, prepend=0))


def read_run_lengths(text: str, height: int, width: int) -> RunLengths:
    """Read COCO's compressed counts. Raises InvalidArgument(BAD_MASK) if they do not fit the picture."""
    counts: list[int] = []
    number = shift = 0
    for character in text:
        bits = ord(character) - _FIRST_CHARACTER
        if not 0 <= bits < 64 or shift > 60:
            raise InvalidArgument("BAD_MASK", "run lengths have characters that COCO does not use")
        number |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) >= _DELTA_FROM else 0))
        number = shift = 0
    if shift or any(count < 0 for count in counts) or sum(counts) != height * width:
        problem = f"run lengths cover {sum(counts)} pixels, and the picture has {width}x{height}"
        raise InvalidArgument("BAD_MASK", problem)
    return RunLengths(height, width, np.array(counts, np.int64))


def _places(steps: Bools, left: int, top: int, height: int) -> Counts:
    """The positions in the whole picture, column by column, of steps [w, h + 1] in a part of it."""
    columns, rows = np.nonzero(steps)
    return np.asarray((columns + left) * height + rows + top, np.int64)


def _write(number: int) -> str:
    characters = []
    while True:
        bits, number = number & 31, number >> 5
        more = number != (-1 if bits & 16 else 0)
        characters.append(chr(_FIRST_CHARACTER + (bits | 32 if more else bits)))
        if not more:
            return "".join(characters)
