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

    Raises InvalidArgument(BAD_ARGUMENT) when the ending fits no format, or the file cannot be written.
    """
    check_picture_name(path, is_mask=image.ndim == 2)
    written, content = cv2.imencode(path.suffix, image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert written, path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # OpenCV would not say that it cannot write, and it takes file names for UTF-8.
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise InvalidArgument("BAD_ARGUMENT", f"'{path}' cannot be written: {error.strerror}") from None


def check_picture_name(path: Path, is_mask: bool = False) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) if no picture, or no mask, can be written under this name."""
    if is_mask and path.suffix.lower() != ".png":
        raise InvalidArgument("BAD_ARGUMENT", f"a mask is written as .png: '{path}' would lose class numbers")
    # OpenCV crashes on a file name that is not UTF-8, so it is asked about the ending alone.
    if not path.suffix.isascii() or not cv2.haveImageWriter(f"picture{path.suffix}"):
        raise InvalidArgument("BAD_ARGUMENT", f"'{path}' does not end like a picture; try .png or .jpg")
