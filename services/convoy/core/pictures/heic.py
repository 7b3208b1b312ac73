"""HEIC by libheif, which the extra `formats` installs. The file's own turns and mirrors are applied by the decoder."""

import io
from functools import cache
from typing import Any

from PIL import Image

from convoy.core.errors import InvalidArgument

INSTALL = "install the extra formats (`pip install 'convoy-vision[formats]'`) or send JPEG"


def open_heic(data: bytes) -> Any:
    """Read the header: an object with `size` and, once `load_heic` has it, pixels.

    Raises InvalidArgument(UNSUPPORTED_FORMAT) without the library, and whatever libheif raises.
    """
    library = _library()
    if library is None:
        raise InvalidArgument("UNSUPPORTED_FORMAT", "this is HEIC", {"format": "HEIC"}, hint=INSTALL)
    return library.open_heif(io.BytesIO(data))


def load_heic(opened: Any) -> Image.Image:
    """Decode the picture that the file names as its first."""
    mode, size = opened.mode, opened.size
    pixels = opened.data
    if opened.size != size:
        raise ValueError("its header says another size")
    return Image.frombytes(mode, size, bytes(pixels), "raw", mode, opened.stride)


@cache
def _library() -> Any:
    """The library; None where it is not installed."""
    try:
        import pi_heif
    except ImportError:
        return None
    # Convoy runs as many decoders as cores; a decoder with threads of its own would take the others' cores.
    pi_heif.options.DECODE_THREADS = 1
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    return pi_heif
