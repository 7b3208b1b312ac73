"""Opens a picture file: reads what its header says, and makes it safe to decode."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.core.pictures import formats
from convoy.core.pictures.colours import Pixels, convert_image, convert_samples
from convoy.core.pictures.containers import bmp, boxes, gif, png, tiff, webp
from convoy.core.pictures.formats import Kind
from convoy.core.pictures.heic import load_heic, open_heic
from convoy.core.pictures.jpeg import decode_jpeg, divisor_for, read_plain_header
from convoy.core.pictures.jpeg_markers import Jpeg, check_scans, read_header
from convoy.core.pictures.light import Light
from convoy.core.pictures.orientation import orientation_in, sensible
from convoy.core.pictures.refusals import broken, unsupported
from convoy.core.pictures.stopping import Reader, check
from convoy.core.pictures.tones import Window, float_colours, tones_of

# We check our own bound on every header; Pillow would warn at a size that it chooses.
Image.MAX_IMAGE_PIXELS = None
# Convoy runs as many decoders as cores; a decoder with threads of its own would take the others' cores.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

_SMALL_BYTES = 2**20
"""No file of so many bytes keeps a core busy for more than a second."""


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

    def pixels(self, min_side: int | None, window: Window | None = None) -> Pixels:
        """Decode to sRGB as stored, not turned. A JPEG has 8 bits, so it needs no window."""
        width, height = self.size
        channels = len(self.jpeg.components)
        colours = "CMYK" if channels == 4 else "GRAY" if channels == 1 and self.jpeg.icc else "RGB"
        samples = decode_jpeg(self.data, width, height, divisor_for(width, height, min_side), colours)
        return samples if colours == "RGB" and not self.jpeg.icc else convert_samples(samples, self.jpeg.icc)


@dataclass
class OtherFile:
    """A picture that Pillow or libheif decodes. sent: the file as it came; data: what of it is opened."""

    kind: Kind
    size: tuple[int, int]
    data: bytes = field(repr=False)
    sent: bytes = field(repr=False)
    heic: Any = None
    page: tiff.Page | None = None
    image: Image.Image | None = None

    def check(self) -> None:
        """Raise InvalidArgument for a file that would take long to decode."""
        if self.kind is formats.PNG:
            png.check_work(self.data)
        if not self.kind.small_px:
            return
        allowed = self.kind.small_px + max(0, len(self.sent) - _SMALL_BYTES) * self.kind.px_a_byte
        if self.size[0] * self.size[1] > allowed:
            facts = {"width": self.size[0], "height": self.size[1], "max_pixels": allowed}
            message = f"a file of {len(self.sent):,} bytes may have {allowed:,} pixels if it is {self.kind.name}"
            raise InvalidArgument("TOO_MANY_PIXELS", message, facts, hint="send JPEG or PNG")

    def weight(self, _: int | None) -> int:
        """How many RGB pixels of memory decoding takes."""
        floats = 2 * self.page.floats if self.page else 0  # Four bytes each, and a byte of each colour.
        return self.size[0] * self.size[1] * max(self.kind.weight, floats)

    def orientation(self) -> int:
        """The EXIF orientation; the decoders of HEIC apply the file's own."""
        if self.page is not None:
            return sensible(self.page.orientation)
        exif = self.image.info.get("exif", b"") if self.image is not None and self.heic is None else b""
        return orientation_in(exif) if isinstance(exif, bytes) else 1

    def pixels(self, _: int | None, window: Window | None = None) -> Pixels:
        """Decode to sRGB as stored, not turned. Raises InvalidArgument: TRUNCATED_IMAGE, NOT_AN_IMAGE.

        window: the values of deep grey to show.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                image, icc = self._load()
                check()
                if self.page is not None and self.page.floats:
                    image = float_colours(image, self.page.floats)
                if image.size != self.size:
                    raise ValueError("its header says another size")
                return convert_image(
                    image,
                    icc if isinstance(icc, bytes) else b"",
                    light=self._light(),
                    bits=self.page.bits if self.page else 0,
                    zero_is_white=self.page is not None and self.page.zero_is_white,
                    window=window,
                )
        except ConvoyError:
            raise
        except Exception as error:  # The codecs raise whatever hostile data makes them raise.
            raise broken(error) from None

    def _load(self) -> tuple[Image.Image, object]:
        """The picture in memory, and its profile."""
        if self.heic is not None:
            return load_heic(self.heic), self.heic.info.get("icc_profile")
        if self.page is not None and self.page.planes:
            planes = [_shallow_plane(plane) for plane in self.page.planes]
            return Image.merge("RGB", planes), self.image.info.get("icc_profile") if self.image else None
        image = self.image = self.image or _open_with_pillow(self.data, self.kind)
        image.load()
        if self.page is not None and self.page.is_deep_lab:
            image = _as_lab(image)
        if self.page is not None and self.page.is_swapped:  # libtiff has exchanged them already when it unpacked them.
            image = Image.fromarray(np.asarray(image).byteswap())
        return image, image.info.get("icc_profile")

    def _light(self) -> Light | None:
        if self.kind is formats.PNG:
            return png.light_of(self.sent)
        return boxes.light_of(self.sent) if self.kind in (formats.HEIC, formats.AVIF) else None


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
        raise broken(error, f"header of the {kind.name} file") from None


def _open_other(data: bytes, kind: Kind) -> OtherFile:
    if kind is formats.WEBP:  # Pillow's decoder reserves the whole canvas when it opens a file.
        return OtherFile(kind, webp.canvas_size(data), data, data)
    if kind is formats.HEIC:
        boxes.check(data, kind.name)
        opened = open_heic(data)
        return OtherFile(kind, opened.size, data, data, heic=opened)
    page, safe = None, data
    if kind is formats.PNG:
        safe = png.tidy(data)
    elif kind is formats.GIF:
        safe = gif.tidy(data)
    elif kind is formats.TIFF:
        page = tiff.first_page(data)
        safe = page.planes[0] if page.planes else page.data
    elif kind is formats.BMP:
        bmp.check(data)
    else:
        boxes.check(data, kind.name)
    try:
        image = _open_with_pillow(safe, kind)
    except UnidentifiedImageError:
        if page is None:
            raise
        raise unsupported(page.kind) from None
    size = (page.width, page.height) if page and page.floats else image.size
    if kind is formats.JPEG_2000 and boxes.codestream_size(data) != size:
        raise InvalidArgument("NOT_AN_IMAGE", "the header of the JPEG 2000 file says two sizes")
    return OtherFile(kind, size, safe, data, page=page, image=image)


def _open_with_pillow(data: bytes, kind: Kind) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(Reader(data), formats=(kind.pillow,))


def _as_lab(image: Image.Image) -> Image.Image:
    """Take RGB for L*a*b* as it stands in a file: Pillow takes the signs of a and b off when it unpacks the bytes."""
    return Image.frombytes("LAB", image.size, image.tobytes())


def _shallow_plane(data: bytes) -> Image.Image:
    """One channel of 16 bits, as 8."""
    plane = _open_with_pillow(data, formats.TIFF)
    plane.load()
    tones = tones_of(plane, 16, zero_is_white=False, window=None)
    return tones.shallow(plane) if tones else plane


def _unknown(data: bytes) -> InvalidArgument:
    if other := formats.name_of_other(data):
        message = f"this is {other}; send one of {formats.NAMES}"
        return InvalidArgument("UNSUPPORTED_FORMAT", message, {"format": other})
    return InvalidArgument("NOT_AN_IMAGE", f"the bytes are not a {formats.NAMES} file")
