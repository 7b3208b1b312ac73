"""Turns bytes into pixels, fast and safe against hostile files.

It reads the header first, and refuses a picture whose header promises too many pixels, so that a small file cannot fill
the memory. libjpeg-turbo decodes JPEG, at a reduced size if the caller needs fewer pixels; Pillow decodes the rest.
"""

import io
import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import ExifTags, Image, UnidentifiedImageError

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.formats import NAMES, PILLOW_FORMATS

Pixels = npt.NDArray[np.uint8]
"""RGB, uint8, [height, width, 3]."""

# We check our own bound on every header; Pillow would warn at a size that it chooses.
Image.MAX_IMAGE_PIXELS = None
RAW_CHANNELS = {"RGB8": 3, "BGR8": 3, "GRAY8": 1, "RGB32F": 3}
_TRANSPOSED = frozenset({5, 6, 7, 8})
_TURBO_SCALES = (8, 4, 2)
# A progressive JPEG needs about ten passes over the picture. A small file can hold thousands of empty passes, which
# take hours to decode.
MOST_SCANS = 100
_START_OF_SCAN = b"\xff\xda"
_METADATA = b"\xff\xe1"
_STRIP_PX = 2**20


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


def decode_image(data: bytes, limits: Limits = Limits(), min_side: int | None = None) -> Picture:
    """Decode a JPEG, PNG or WebP file to upright RGB pixels.

    min_side: when given, a JPEG may be decoded at 1/2, 1/4 or 1/8 as long as both sides keep at least so many pixels.
    EXIF orientation is applied, transparency is laid on white, the first frame of an animation is taken, 16-bit, grey,
    palette and CMYK pictures become 8-bit RGB.
    Raises InvalidArgument: EMPTY_IMAGE, IMAGE_TOO_LARGE, TOO_MANY_PIXELS, TOO_MANY_SCANS, NOT_AN_IMAGE,
    TRUNCATED_IMAGE.
    """
    if not data:
        raise InvalidArgument("EMPTY_IMAGE", "the picture has 0 bytes")
    if len(data) > limits.max_bytes:
        facts = {"bytes": len(data), "max_bytes": limits.max_bytes}
        raise InvalidArgument(
            "IMAGE_TOO_LARGE", f"the picture has {len(data):,} bytes; at most {limits.max_bytes:,} are allowed", facts
        )
    if size := _plain_jpeg_size(data):
        _check_pixels(*size, limits)
        _check_scans(data)
        return Picture(_decode_jpeg(data, _turbo_divisor(*size, min_side)), *size)
    header = _read_header(data)
    width, height = header.size
    _check_pixels(width, height, limits)
    if header.format == "JPEG":
        _check_scans(data)
    orientation = _orientation(header)
    if _is_turbo(header):
        image = _decode_jpeg(data, _turbo_divisor(width, height, min_side))
    else:
        image = _decode_with_pillow(header)
    image = _turn(image, orientation)
    if orientation in _TRANSPOSED:
        width, height = height, width
    return Picture(image, width, height)


def pixels_to_decode(data: bytes, min_side: int | None = None) -> int:
    """Read from the header how many pixels `decode_image` would hold in memory; 0 for a picture that it refuses."""
    if size := _plain_jpeg_size(data):
        return size[0] * size[1] // _turbo_divisor(*size, min_side) ** 2
    try:
        header = _read_header(data)
    except InvalidArgument:
        return 0
    divisor = _turbo_divisor(*header.size, min_side) if _is_turbo(header) else 1
    return header.size[0] * header.size[1] // divisor**2


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


def _plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Read width and height of a grey or colour JPEG without EXIF or XMP, at a tenth of Pillow's cost; else None."""
    if not data.startswith(b"\xff\xd8") or data.find(_METADATA, 0, data.find(_START_OF_SCAN)) >= 0:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # Pillow will say what is wrong with it.
        return None
    return (width, height) if colours in ("YCbCr", "RGB", "Gray") else None


def _read_header(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data), formats=PILLOW_FORMATS)
    except UnidentifiedImageError:
        raise InvalidArgument("NOT_AN_IMAGE", f"the bytes are not a {NAMES} file") from None
    except Exception as error:  # Pillow's parsers raise whatever a hostile header makes them raise.
        raise InvalidArgument("NOT_AN_IMAGE", f"the picture's header cannot be read: {error}") from None


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        facts = {"width": width, "height": height, "max_pixels": limits.max_pixels}
        message = f"the picture has {width:,} x {height:,} pixels; at most {limits.max_pixels:,} are allowed"
        raise InvalidArgument("TOO_MANY_PIXELS", message, facts)


def _check_scans(data: bytes) -> None:
    scans = data.count(_START_OF_SCAN)
    if scans > MOST_SCANS:
        message = f"the JPEG has {scans:,} scans; at most {MOST_SCANS} are allowed"
        raise InvalidArgument("TOO_MANY_SCANS", message, {"scans": scans, "max_scans": MOST_SCANS})


def _orientation(header: Image.Image) -> int:
    try:
        value = header.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Do not refuse a picture because its EXIF block is broken.
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _is_turbo(header: Image.Image) -> bool:
    return header.format == "JPEG" and header.mode in ("RGB", "L")


def _turbo_divisor(width: int, height: int, min_side: int | None) -> int:
    if min_side is None:
        return 1
    return next((d for d in _TURBO_SCALES if math.ceil(min(width, height) / d) >= min_side), 1)


def _decode_jpeg(data: bytes, divisor: int) -> Pixels:
    try:
        if divisor == 1:
            return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True))
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        smallest = {"min_height": math.ceil(height / divisor), "min_width": math.ceil(width / divisor)}
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", **smallest, strict=True))
    except ValueError as error:
        raise _broken(error) from None


def _turn(image: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (Exif 2.3, tag 274)."""
    if orientation == 1:
        return image
    if orientation in _TRANSPOSED:
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _decode_with_pillow(header: Image.Image) -> Pixels:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header.load()
            return _in_strips(header)
    except Exception as error:  # Pillow's codecs raise whatever hostile data makes them raise.
        raise _broken(error) from None


def _in_strips(image: Image.Image) -> Pixels:
    """Flatten a strip at a time: otherwise a large picture with transparency would be in memory five times."""
    width, height = image.size
    rows = max(1, _STRIP_PX // width)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(_flatten(image.crop((0, top, width, bottom))))
    return pixels


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        # 16-bit grey: Pillow would clip it to white instead of scaling it.
        values = np.asarray(image, np.float64)
        return Image.fromarray(np.clip(values / 257.0, 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _broken(error: Exception) -> InvalidArgument:
    text = str(error) or type(error).__name__
    if any(word in text.lower() for word in ("truncated", "premature", "end of file", "incomplete")):
        return InvalidArgument("TRUNCATED_IMAGE", "the file ends before the picture is complete")
    return InvalidArgument("NOT_AN_IMAGE", f"the picture is damaged: {text}")
