"""Which way up a picture is: the orientation of EXIF, and of nothing else, as OpenCV and browsers have it.

XMP often repeats an orientation that a program has applied long ago.
"""

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

TRANSPOSED = frozenset({5, 6, 7, 8})
"""Orientations that exchange width and height."""


def orientation_in(exif: bytes) -> int:
    """The orientation, 1 to 8, in an EXIF block; 1 if there is none. Source: Exif 2.3, tag 274."""
    if not exif:
        return 1
    try:
        block = Image.Exif()
        block.load(exif if exif.startswith(b"Exif\0") else b"Exif\0\0" + exif)
        return sensible(block.get(ExifTags.Base.Orientation, 1))
    except Exception:  # Do not refuse a picture because its EXIF block is broken.
        return 1


def sensible(value: object) -> int:
    """The value if it is an orientation, else 1."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turn(image: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Undo an orientation."""
    if orientation == 1:
        return image
    if orientation in TRANSPOSED:
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
