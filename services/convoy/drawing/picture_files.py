"""Picture files as users name them: read, written, and checked before any work is done for them."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from convoy.client.answers.common import ImageRGB
from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import decode_image


def read_picture(path: Path) -> ImageRGB:
    """The pixels of a picture file, upright. Raises OSError, InvalidArgument(NOT_AN_IMAGE, ...)."""
    return decode_image(path.read_bytes()).image_rgb


def write_picture(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write a picture, uint8 RGB [H, W, 3], or a mask, uint8 [H, W]; the name's ending chooses the format.

    Raises InvalidArgument(BAD_ARGUMENT) when the ending fits no format.
    """
    check_picture_name(path, is_mask=image.ndim == 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def check_picture_name(path: Path, is_mask: bool = False) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) if no picture, or no mask, can be written under this name."""
    if is_mask and path.suffix.lower() != ".png":
        raise InvalidArgument("BAD_ARGUMENT", f"a mask is written as .png: '{path}' would lose class numbers")
    if not cv2.haveImageWriter(str(path)):
        raise InvalidArgument("BAD_ARGUMENT", f"'{path}' does not end like a picture; try .png or .jpg")
