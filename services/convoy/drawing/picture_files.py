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


def write_picture(path: Path, image: npt.NDArray[np.uint8], may_replace: bool = True) -> None:
    """Write a picture, uint8 RGB [H, W, 3], or a mask, uint8 [H, W]; the name's ending chooses the format.

    may_replace: also where there is a file already. Raises InvalidArgument: BAD_ARGUMENT when the ending fits no
    format, NOT_WRITTEN when the file could not be written.
    """
    check_picture_name(path, is_mask=image.ndim == 2)
    done, data = cv2.imencode(path.suffix, image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise InvalidArgument("NOT_WRITTEN", f"a picture of this size cannot be written as {path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb" if may_replace else "xb") as file:
            file.write(data.tobytes())
    except OSError as error:
        raise InvalidArgument("NOT_WRITTEN", f"the picture could not be written: {error.strerror or error}") from None


def check_picture_name(path: Path, is_mask: bool = False) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) if no picture, or no mask, can be written under this name."""
    if is_mask and path.suffix.lower() != ".png":
        raise InvalidArgument("BAD_ARGUMENT", f"a mask is written as .png: '{path.name}' would lose class numbers")
    if not path.suffix.isascii() or not cv2.haveImageWriter(f"x{path.suffix}"):
        raise InvalidArgument("BAD_ARGUMENT", f"'{path.name}' does not end like a picture; try .png or .jpg")
