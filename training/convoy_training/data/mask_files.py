"""Reads one mask: the number that its file holds for each pixel, and the class of that number."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convoy_training.errors import LabelError

IGNORE = 255
LOSSLESS = ("PNG", "BMP", "GIF", "TIFF")
"""The formats that a mask may have; a JPEG would mix the ids of neighbouring pixels."""
SINGLE_CHANNEL = ("1", "L", "P", "I;16", "I")
"""Pillow's names for pixels that are one number: a bit, a byte, an index into a palette, 16 or 32 bits."""


def read_mask(
    data: bytes, file: str, size: tuple[int, ...], numbers: Sequence[int], *, white: bool = False
) -> NDArray[np.uint8]:
    """Class ids or IGNORE [H,W]; raises LabelError if the mask's size is not its image's, or an id has no class."""
    mask = read_ids(data, file)
    if mask.shape != tuple(size):
        raise LabelError(file, None, f"the mask is {mask.shape}, its image {tuple(size)}", "other size")
    mask = np.where(mask == IGNORE, 1, mask) if white else mask
    known = np.array(numbers)
    unknown = [int(value) for value in np.unique(mask) if not 0 <= value < 256 or known[value] < 0]
    if unknown:
        last = int(np.flatnonzero(known[:IGNORE] >= 0)[-1])
        grey = (len(unknown) > 2 or (mask == IGNORE).any()) and max(unknown) > 100
        smooth = ": it looks smoothed, save it without" if grey else ""
        told = f"the mask has class id {unknown[0]}, but classes.txt ends at {last}{smooth}"
        raise LabelError(file, None, told, "unknown class")
    classes: NDArray[np.uint8] = known.astype(np.uint8)[mask]
    return classes


def read_ids(data: bytes, file: str) -> NDArray[np.integer]:
    """The number that the file holds for each pixel; in a palette PNG, such as VOC's masks, that is the index.

    Three equal channels are one. How transparent a pixel is does not count.
    """
    try:
        with Image.open(io.BytesIO(data), formats=LOSSLESS) as image:
            mode, values = image.mode, np.asarray(image)
    except UnidentifiedImageError as error:
        told = f"the mask cannot be decoded: it is not one of {', '.join(LOSSLESS)}"
        raise LabelError(file, None, told, "broken mask") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise LabelError(file, None, f"the mask cannot be decoded: {error}", "broken mask") from error
    if mode == "LA" or (mode in ("RGB", "RGBA") and (values[..., :3] == values[..., :1]).all()):
        return values[..., 0]
    if mode not in SINGLE_CHANNEL:
        reason = f"the mask holds colours ({mode}), not class ids: save it as grey or palette PNG with one id per pixel"
        raise LabelError(file, None, reason, "mask of colours")
    return values.astype(np.uint8) if mode == "1" else values
