"""Turns bytes into pixels, fast and safe against hostile files.

It reads the header first, and refuses a picture whose header promises too many pixels, so that a small file cannot fill
the memory. `opening` knows the formats.
"""

import io
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.opening import open_picture
from convoy.core.pictures.orientation import TRANSPOSED, turn
from convoy.core.pictures.stopping import check
from convoy.core.pictures.tones import Window

Pixels = npt.NDArray[np.uint8]
"""RGB, uint8, [height, width, 3]."""

RAW_CHANNELS = {"RGB8": 3, "BGR8": 3, "GRAY8": 1, "RGB32F": 3}


@dataclass(frozen=True)
class Limits:
    """The largest picture to accept: encoded size in bytes, decoded size in pixels."""

    max_bytes: int = 16 * 2**20
    max_pixels: int = 50_000_000


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    image_rgb: pixels, perhaps fewer than were sent; width, height: the size that was sent, after EXIF orientation.
    Coordinates in answers refer to that size.
    """

    image_rgb: Pixels
    width: int
    height: int

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Factors from coordinates in `image_rgb` to coordinates in the picture that was sent."""
        height, width = self.image_rgb.shape[:2]
        return self.width / width, self.height / height

    def outline(self) -> "Picture":
        """Copy the sizes without the pixels, so that a waiting picture costs no memory: all its pixels are black."""
        return replace(self, image_rgb=np.broadcast_to(np.uint8(0), self.image_rgb.shape))


def decode_image(
    data: bytes, limits: Limits = Limits(), min_side: int | None = None, window: Window | None = None
) -> Picture:
    """Decode a picture file of any format in `formats` to upright sRGB pixels.

    min_side: when given, a JPEG may be decoded at 1/2, 1/4 or 1/8 as long as both sides keep at least so many pixels.
    window: which values of grey of more than 8 bits become black and white; without one, all that its bits can hold.
    EXIF orientation is applied, an ICC profile is converted to sRGB, transparency is laid on white, the first frame or
    page is taken, 16-bit, grey, palette and CMYK pictures become 8-bit RGB.
    Raises InvalidArgument: EMPTY_IMAGE, IMAGE_TOO_LARGE, TOO_MANY_PIXELS, TOO_MANY_SCANS, TOO_MANY_SEGMENTS,
    NOT_AN_IMAGE, UNSUPPORTED_FORMAT, TRUNCATED_IMAGE; DeadlineExceeded when nobody waits any longer (see `stopping`).
    """
    check()
    if not data:
        raise InvalidArgument("EMPTY_IMAGE", "the picture has 0 bytes")
    if len(data) > limits.max_bytes:
        facts = {"bytes": len(data), "max_bytes": limits.max_bytes}
        raise InvalidArgument(
            "IMAGE_TOO_LARGE", f"the picture has {len(data):,} bytes; at most {limits.max_bytes:,} are allowed", facts
        )
    opened = open_picture(data)
    width, height = opened.size
    _check_pixels(width, height, limits)
    opened.check()
    image = opened.pixels(min_side, window)
    orientation = opened.orientation()
    if orientation in TRANSPOSED:
        width, height = height, width
    return Picture(turn(image, orientation), width, height)


def pixels_to_decode(data: bytes, min_side: int | None = None) -> int:
    """Read from the header how many pixels of memory `decode_image` takes; 0 for a picture that it refuses.

    A decoder that holds a picture in several forms at a time counts for as many pixels as fill that memory.
    """
    try:
        return open_picture(data).weight(min_side)
    except InvalidArgument:
        return 0


def count_pixels(data: bytes) -> int:
    """Read from the header how many pixels the picture has; 0 for one that `decode_image` refuses."""
    try:
        width, height = open_picture(data).size
    except InvalidArgument:
        return 0
    return width * height


def decode_raw(data: bytes, width: int, height: int, pixel_format: str, limits: Limits = Limits()) -> Picture:
    """Read pixels that are not encoded.

    pixel_format: RGB8, BGR8, GRAY8 or RGB32F (0 to 1). Raises InvalidArgument: BAD_RAW_IMAGE, TOO_MANY_PIXELS.
    """
    if width < 1 or height < 1:
        raise InvalidArgument("BAD_RAW_IMAGE", f"a raw picture of {width} x {height} has no pixels")
    _check_pixels(width, height, limits)
    channels = RAW_CHANNELS[pixel_format]
    itemsize = 4 if pixel_format == "RGB32F" else 1
    expected = width * height * channels * itemsize
    if len(data) != expected:
        facts = {"bytes": len(data), "expected_bytes": expected}
        message = f"{width} x {height} pixels of {pixel_format} take {expected:,} bytes, not {len(data):,}"
        raise InvalidArgument("BAD_RAW_IMAGE", message, facts)
    return Picture(_raw_to_rgb(data, (height, width, channels), pixel_format), width, height)


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Write uint8 pixels, [H, W, 3] RGB or [H, W] grey, as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _raw_to_rgb(data: bytes, shape: tuple[int, int, int], pixel_format: str) -> Pixels:
    if pixel_format == "RGB32F":
        values = np.frombuffer(data, "<f4").reshape(shape)
        # NaN fails both comparisons, so this refuses it too.
        if not (values.min() >= 0.0 and values.max() <= 1.0):
            raise InvalidArgument("BAD_RAW_IMAGE", "RGB32F values must lie between 0 and 1; some do not, or are NaN")
        return np.rint(values * np.float32(255)).astype(np.uint8)
    image = np.frombuffer(data, np.uint8).reshape(shape)
    if pixel_format == "BGR8":
        return np.ascontiguousarray(image[:, :, ::-1])
    return np.repeat(image, 3, axis=2) if pixel_format == "GRAY8" else image


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        facts = {"width": width, "height": height, "max_pixels": limits.max_pixels}
        message = f"the picture has {width:,} x {height:,} pixels; at most {limits.max_pixels:,} are allowed"
        raise InvalidArgument("TOO_MANY_PIXELS", message, facts)
