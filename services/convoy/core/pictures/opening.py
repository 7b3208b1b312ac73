"""Opens a picture file: reads what its header says, and makes it safe to decode."""

import io
import warnings
from dataclasses import dataclass, field
from typing import Any

from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.core.pictures import formats
from convoy.core.pictures.colours import Pixels, convert_image, convert_samples
from convoy.core.pictures.containers import bmp, boxes, gif, png, tiff, webp
from convoy.core.pictures.formats import Kind
from convoy.core.pictures.heic import load_heic, open_heic
from convoy.core.pictures.jpeg import decode_jpeg, divisor_for, read_plain_header
from convoy.core.pictures.jpeg_markers import Jpeg, check_scans, read_header
from convoy.core.pictures.orientation import orientation_in, sensible
from convoy.core.pictures.refusals import broken

# We check our own bound on every header; Pillow would warn at a size that it chooses.
Image.MAX_IMAGE_PIXELS = None
# Convoy runs as many decoders as cores; a decoder with threads of its own would take the others' cores.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

_SLOW_PX, _SLOW_BYTES, _SLOW_PX_A_BYTE = 12_000_000, 2**20, 12
"""JPEG 2000 decodes 12 megapixels in a second: a small file may have so many, a larger one more."""


@dataclass
class JpegFile:
    """A JPEG, also the first picture of an MPO or a motion photo."""

    data: bytes
    jpeg: Jpeg

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""
        return self.jpeg.width, self.jpeg.height

    def check(self) -> None:
        """Raise InvalidArgument for a file that would take long to decode."""
        check_scans(self.data, *self.size)

    def weight(self, min_side: int | None) -> int:
        """How many RGB pixels of memory decoding takes. A progressive JPEG keeps two bytes of each coefficient."""
        width, height = self.size
        share = width * height // divisor_for(width, height, min_side) ** 2
        return share + (2 * width * height if self.jpeg.progressive else 0)

    def orientation(self) -> int:
        """The EXIF orientation."""
        return orientation_in(self.jpeg.exif)

    def pixels(self, min_side: int | None) -> Pixels:
        """Decode to sRGB as stored, not turned."""
        width, height = self.size
        channels = len(self.jpeg.components)
        colours = "CMYK" if channels == 4 else "GRAY" if channels == 1 and self.jpeg.icc else "RGB"
        samples = decode_jpeg(self.data, width, height, divisor_for(width, height, min_side), colours)
        return samples if colours == "RGB" and not self.jpeg.icc else convert_samples(samples, self.jpeg.icc)


@dataclass
class OtherFile:
    """A picture that Pillow or libheif decodes."""

    kind: Kind
    size: tuple[int, int]
    bytes_sent: int
    data: bytes = field(repr=False)
    heic: Any = None
    page: tiff.Page | None = None
    image: Image.Image | None = None

    def check(self) -> None:
        """Raise InvalidArgument for a file that would take long to decode."""
        allowed = _SLOW_PX + max(0, self.bytes_sent - _SLOW_BYTES) * _SLOW_PX_A_BYTE
        if self.kind is formats.JPEG_2000 and self.size[0] * self.size[1] > allowed:
            facts = {"width": self.size[0], "height": self.size[1], "max_pixels": allowed}
            message = f"a JPEG 2000 of {self.bytes_sent:,} bytes may have {allowed:,} pixels; send JPEG or PNG"
            raise InvalidArgument("TOO_MANY_PIXELS", message, facts)

    def weight(self, _: int | None) -> int:
        """How many RGB pixels of memory decoding takes."""
        return self.size[0] * self.size[1] * self.kind.weight

    def orientation(self) -> int:
        """The EXIF orientation; the decoders of HEIC apply the file's own."""
        if self.page is not None:
            return sensible(self.page.orientation)
        exif = self.image.info.get("exif", b"") if self.image is not None and self.heic is None else b""
        return orientation_in(exif) if isinstance(exif, bytes) else 1

    def pixels(self, _: int | None) -> Pixels:
        """Decode to sRGB as stored, not turned. Raises InvalidArgument: TRUNCATED_IMAGE, NOT_AN_IMAGE."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.heic is not None:
                    icc, image = self.heic.info.get("icc_profile"), load_heic(self.heic)
                else:
                    image = self.image = self._open()
                    image.load()
                    icc = image.info.get("icc_profile")
                if image.size != self.size:
                    raise ValueError("its header says another size")
                zero_is_white = self.page is not None and self.page.zero_is_white
                return convert_image(image, icc if isinstance(icc, bytes) else b"", zero_is_white)
        except ConvoyError:
            raise
        except Exception as error:  # The codecs raise whatever hostile data makes them raise.
            raise broken(error) from None

    def _open(self) -> Image.Image:
        return self.image or _open_with_pillow(self.data, self.kind)


def open_picture(data: bytes) -> JpegFile | OtherFile:
    """Read the header of a file of any known format.

    Raises InvalidArgument: NOT_AN_IMAGE, UNSUPPORTED_FORMAT, TRUNCATED_IMAGE, TOO_MANY_SEGMENTS.
    """
    kind = formats.kind_of(data)
    if kind is formats.JPEG:
        return JpegFile(data, read_plain_header(data) or read_header(data))
    if kind is None:
        raise _unknown(data)
    try:
        return _open_other(data, kind)
    except ConvoyError:
        raise
    except UnidentifiedImageError:
        raise InvalidArgument("NOT_AN_IMAGE", f"the header of the {kind.name} file cannot be read") from None
    except Exception as error:  # Parsers raise whatever a hostile header makes them raise.
        raise InvalidArgument("NOT_AN_IMAGE", f"the picture's header cannot be read: {error}") from None


def _open_other(data: bytes, kind: Kind) -> OtherFile:
    if kind is formats.WEBP:  # Pillow's decoder reserves the whole canvas when it opens a file.
        return OtherFile(kind, webp.canvas_size(data), len(data), data)
    if kind is formats.HEIC:
        boxes.check(data, kind.name)
        opened = open_heic(data)
        return OtherFile(kind, opened.size, len(data), data, heic=opened)
    page, safe = None, data
    if kind is formats.PNG:
        safe = png.tidy(data)
    elif kind is formats.GIF:
        safe = gif.tidy(data)
    elif kind is formats.TIFF:
        page = tiff.first_page(data)
        safe = page.data
    elif kind is formats.BMP:
        bmp.check(data)
    else:
        boxes.check(data, kind.name)
    image = _open_with_pillow(safe, kind)
    size = image.size
    if kind is formats.JPEG_2000 and boxes.codestream_size(data) != size:
        raise InvalidArgument("NOT_AN_IMAGE", "the picture's header cannot be read: it says two sizes")
    return OtherFile(kind, size, len(data), safe, page=page, image=image)


def _open_with_pillow(data: bytes, kind: Kind) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(io.BytesIO(data), formats=(kind.pillow,))


def _unknown(data: bytes) -> InvalidArgument:
    if other := formats.name_of_other(data):
        message = f"this is {other}; send one of {formats.NAMES}"
        return InvalidArgument("UNSUPPORTED_FORMAT", message, {"format": other})
    return InvalidArgument("NOT_AN_IMAGE", f"the bytes are not a {formats.NAMES} file")
