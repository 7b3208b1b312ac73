"""Decodes JPEG with libjpeg-turbo, at a reduced size if the caller needs fewer pixels.

A picture that every viewer shows is read, also where the decoder warns about it: parameters of a scan that some phones
leave at zero, stray bytes before a marker, padding, a missing end marker. Only missing picture data is refused.
"""

import math

import numpy as np
import numpy.typing as npt
import simplejpeg

from convoy.core.pictures.jpeg_markers import END, Component, Jpeg, channels_missing, read_structure, restarts_missing
from convoy.core.pictures.refusals import broken, cut_short
from convoy.core.pictures.stopping import check

Samples = npt.NDArray[np.uint8]

_SCAN, _EXIF_OR_XMP, _PROFILE, _PROGRESSIVE = b"\xff\xda", b"\xff\xe1", b"\xff\xe2", b"\xff\xc2"
_PLAIN_BYTES = 2**16
_SCALES = (8, 4, 2)
# Data of a scan that has ended is ignored; where the scan's own data is missing, these bytes become pixels. They are
# no marker, and no regular pattern that could decode to the grey that the decoder puts where data is missing.
_PROBE = bytes((7 * i * i + 31 * i + 45) % 253 + 1 for i in range(96))


def read_plain_header(data: bytes) -> Jpeg | None:
    """Read the header of a grey or colour JPEG without metadata, in half the time of `read_header`; else None."""
    scan = data.find(_SCAN)
    if not 0 < scan < _PLAIN_BYTES or data.find(_EXIF_OR_XMP, 0, scan) >= 0 or data.find(_PROFILE, 0, scan) >= 0:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # `read_header` will say what is wrong with it.
        return None
    if colours not in ("YCbCr", "RGB", "Gray"):
        return None
    components = (Component(1, 1, 1),) * (1 if colours == "Gray" else 3)
    return Jpeg(width, height, progressive=data.find(_PROGRESSIVE, 0, scan) >= 0, components=components)


def divisor_for(width: int, height: int, min_side: int | None) -> int:
    """By how much the decoder may reduce the picture so that both sides keep at least `min_side` pixels."""
    if min_side is None:
        return 1
    return next((d for d in _SCALES if math.ceil(min(width, height) / d) >= min_side), 1)


def decode_jpeg(data: bytes, width: int, height: int, divisor: int, colours: str) -> Samples:
    """Decode to uint8 samples [H, W, C]. colours: RGB, GRAY, or CMYK as it stands in the file.

    Raises InvalidArgument: TRUNCATED_IMAGE, NOT_AN_IMAGE.
    """
    try:
        return _decode(data, width, height, divisor, colours, strict=True)
    except ValueError as error:
        return _despite_warnings(data, width, height, divisor, colours, error)


def _decode(data: bytes, width: int, height: int, divisor: int, colours: str, strict: bool) -> Samples:
    if divisor == 1:
        return np.asarray(simplejpeg.decode_jpeg(data, colours, strict=strict))
    smallest = {"min_height": math.ceil(height / divisor), "min_width": math.ceil(width / divisor)}
    return np.asarray(simplejpeg.decode_jpeg(data, colours, **smallest, strict=strict))


def _despite_warnings(data: bytes, width: int, height: int, divisor: int, colours: str, warning: ValueError) -> Samples:
    check()
    jpeg = read_structure(data)
    whole = _alone(data, jpeg)
    try:
        pixels = _decode(whole, width, height, divisor, colours, strict=False)
    except ValueError:  # No warning but an error: no viewer shows this.
        raise broken(warning) from None
    if jpeg.is_cut or not jpeg.scans or channels_missing(jpeg) or restarts_missing(data, jpeg):
        raise cut_short()
    if _ends_early(whole, pixels, divisor, colours):
        raise cut_short()
    return pixels


def _alone(data: bytes, jpeg: Jpeg) -> bytes:
    """The picture alone, with its end marker and without stray bytes between its segments."""
    end = jpeg.end if jpeg.has_end else len(data.rstrip(b"\xff"))
    kept, at = [], 0
    for start, stop in jpeg.stray:
        kept.append(data[at : min(start, end)])
        at = stop
    return b"".join((*kept, data[at:end], b"" if jpeg.has_end else END))


def _ends_early(whole: bytes, pixels: Samples, divisor: int, colours: str) -> bool:
    """Whether the last scan's data is not complete: more data before the end marker would change the pixels."""
    check()
    height, width = pixels.shape[:2]
    more = whole[: -len(END)] + _PROBE + END
    probed = _decode(more, width * divisor, height * divisor, divisor, colours, strict=False)
    return not np.array_equal(pixels, probed)
