"""Grey of more than 8 bits, and how 8 bits are made of it: whole, or a window of values as radiologists set it.

Also colours that are floating-point numbers.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

_STRIP = 64
"""Rows that are worked on at a time."""


class Window(Protocol):
    """The values of deep grey that become 0 to 255: `width` of them, with `level` in the middle.

    Values below become black, values above white. Source: DICOM PS3.3, C.11.2.1.3.2 (linear exact).
    """

    @property
    def level(self) -> float:
        """The value in the middle, as it stands in the file."""

    @property
    def width(self) -> float:
        """How many values lie between black and white."""


@dataclass(frozen=True)
class Tones:
    """How the values of a deep grey picture become 8 bits: (value - black) / reach * 255; turned over where 0 is white.

    unsigned: the 32 bits that Pillow reads as a signed number have no sign.
    """

    black: float
    reach: float
    zero_is_white: bool = False
    unsigned: bool = False
    transparent: int | None = None

    def shallow(self, image: Image.Image) -> Image.Image:
        """Turn a part of the picture into grey of 8 bits. One value may mean transparent: it becomes white."""
        values = np.asarray(image)
        hidden = None if self.transparent is None else values == self.transparent
        if self.unsigned:
            values = values.view(np.uint32)
        scaled = (np.asarray(values, np.float64) - self.black) * (255.0 / self.reach)
        tones = np.clip(np.nan_to_num(scaled, posinf=255.0, neginf=0.0), 0, 255).astype(np.uint8)
        if self.zero_is_white:
            tones = 255 - tones
        return Image.fromarray(tones if hidden is None else np.where(hidden, np.uint8(255), tones))


def tones_of(image: Image.Image, bits: int, zero_is_white: bool, window: Window | None) -> Tones | None:
    """How to show a loaded picture of deep grey; None for other pictures.

    bits: how many a value has in the file, where its header says so, else 0. Without a window, black is 0, and white is
    what the bits can hold; 16 bits unless the values are larger. Floating-point numbers reach 1, 255 or 65,535,
    whichever their largest says.
    """
    if not (image.mode.startswith("I") or image.mode == "F"):
        return None
    secret = image.info.get("transparency")
    transparent = secret if isinstance(secret, int) and image.mode.startswith("I") else None
    values = np.asarray(image)
    unsigned = bool(image.mode == "I" and values.min(initial=0) < -(2**15))
    if window is not None:
        return Tones(window.level - window.width / 2, window.width, zero_is_white, unsigned, transparent)
    return Tones(0.0, _white(values, bits, unsigned), zero_is_white, unsigned, transparent)


def _white(values: npt.NDArray[np.generic], bits: int, unsigned: bool) -> float:
    if values.dtype.kind == "f":
        return _float_white(float(np.nan_to_num(values, posinf=0.0, neginf=0.0).max(initial=0.0)))
    if unsigned or int(values.max(initial=0)) > 65535:
        return float(2**32 - 1)
    return float(2**bits - 1) if 8 < bits < 16 else 65535.0


def _float_white(largest: float) -> float:
    return 1.0 if largest <= 1.0 else 255.0 if largest <= 255.0 else 65535.0


def float_colours(rows: Image.Image, values: int) -> Image.Image:
    """Make RGB of floating-point colours that lie side by side in rows of grey, so many values a pixel.

    1 is white, and what is brighter is cut, unless most values are above it: then 255 or 65,535 is, as for grey. It
    works strip by strip, since all numbers once more would take four times the memory of the picture.
    """
    width, height = rows.size[0] // values, rows.size[1]
    bright, largest = 0, 0.0
    for top in range(0, height, _STRIP):
        numbers = _strip(rows, top)
        bright, largest = bright + int(np.count_nonzero(numbers > 1.0)), max(largest, float(numbers.max(initial=0.0)))
    white = 1.0 if 2 * bright <= rows.size[0] * height else _float_white(largest)
    shown = np.empty((height, rows.size[0]), np.uint8)
    for top in range(0, height, _STRIP):
        shown[top : top + _STRIP] = np.rint(np.clip(_strip(rows, top) * (255.0 / white), 0, 255))
    return Image.fromarray(shown.reshape(height, width, values))


def _strip(rows: Image.Image, top: int) -> npt.NDArray[np.float32]:
    part = rows.crop((0, top, rows.size[0], min(top + _STRIP, rows.size[1])))
    return np.nan_to_num(np.asarray(part, np.float32), posinf=1.0, neginf=0.0)
