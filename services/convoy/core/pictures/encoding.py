"""Writes pixels as picture files: PNG, JPEG, WebP."""

import math
from functools import cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument

FileFormat = Literal["PNG", "JPEG", "WEBP"]
LONGEST_SIDE: dict[FileFormat, int] = {"PNG": 2**31 - 1, "JPEG": 65_535, "WEBP": 16_383}
"""Of each format, in pixels."""
DEFAULT_QUALITY = 95
_LOSSLESS = 101
_NOISE_SIDE = 128
_MARGIN = 1.05
_FILE_HEAD = 2048
"""Bytes."""
_ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}


def check_sides(width: int, height: int, file_format: FileFormat) -> None:
    """Raise InvalidArgument(ANSWER_TOO_LARGE) if no file of this format holds so many pixels a side."""
    most = LONGEST_SIDE[file_format]
    if max(width, height) > most:
        message = f"the answer has {width:,} x {height:,} pixels; {file_format} holds at most {most:,} a side"
        raise InvalidArgument("ANSWER_TOO_LARGE", message, {"width": width, "height": height, "max_side": most})


def encode_picture(image: npt.NDArray[np.uint8], file_format: FileFormat, quality: int = DEFAULT_QUALITY) -> bytes:
    """Write uint8 pixels, [H, W, 3] RGB or [H, W] grey, as a file. quality: of JPEG and WebP, where 100 is lossless."""
    ordered = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(_ENDINGS[file_format], ordered, _options(file_format, quality))
    if not done:
        raise ValueError(f"OpenCV writes no {file_format} of {image.shape}")
    return data.tobytes()


def most_bytes(pixels: int, channels: int, file_format: FileFormat | None, quality: int = DEFAULT_QUALITY) -> int:
    """How many bytes a picture of so many pixels has at most, in this format (None: plain pixels).

    These are the bytes of noise, which compresses worst. channels: 1 or 3.
    """
    if file_format is None:
        return pixels * channels
    return _FILE_HEAD + math.ceil(_MARGIN * pixels * _worst_rate(channels, file_format, quality))


@cache
def _worst_rate(channels: int, file_format: FileFormat, quality: int) -> float:
    """Bytes a pixel of the worst noise: of all values, which PNG and lossless WebP fear, or of black and white."""
    random = np.random.default_rng(0)
    shape = (_NOISE_SIDE, _NOISE_SIDE) if channels == 1 else (_NOISE_SIDE, _NOISE_SIDE, channels)
    noises = (random.integers(0, 256, shape), 255 * random.integers(0, 2, shape))
    return max(len(encode_picture(one.astype(np.uint8), file_format, quality)) for one in noises) / _NOISE_SIDE**2


def _options(file_format: FileFormat, quality: int) -> list[int]:
    if file_format == "JPEG":
        return [cv2.IMWRITE_JPEG_QUALITY, quality]
    if file_format == "WEBP":
        return [cv2.IMWRITE_WEBP_QUALITY, quality if quality < 100 else _LOSSLESS]
    return [cv2.IMWRITE_PNG_COMPRESSION, 1]
