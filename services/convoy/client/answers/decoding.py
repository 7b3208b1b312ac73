"""Reads the pictures that come in answers: masks, aligned crops of faces, and what imaging makes.

Pillow does it where it is installed, many times faster. The bare client has pypng, which is small and reads PNG alone.
"""

from io import BytesIO

import numpy as np
import numpy.typing as npt

from convoy.core.errors import FailedPrecondition

PNG = b"\x89PNG"


def read_picture(data: bytes) -> npt.NDArray[np.uint8]:
    """Pixels of an 8-bit file: [height, width] if it is grey, else RGB as [height, width, 3].

    Raises FailedPrecondition(NOT_INSTALLED) if the file is no PNG and Pillow is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return _read_by_pypng(data)
    with Image.open(BytesIO(data)) as image:
        return np.array(image if image.mode == "L" else image.convert("RGB"), np.uint8)


def _read_by_pypng(data: bytes) -> npt.NDArray[np.uint8]:
    import png

    if not data.startswith(PNG):
        message = "the answer's picture is no PNG, and Pillow, which reads it, is not installed"
        raise FailedPrecondition("NOT_INSTALLED", message, hint="pip install pillow, or ask for PNG")
    reader = png.Reader(bytes=data)
    reader.preamble()
    width, height, rows, info = reader.read() if reader.greyscale else reader.asRGB8()
    pixels = np.frombuffer(b"".join(bytes(row) for row in rows), np.uint8).reshape(height, width, info["planes"])
    return pixels[:, :, 0].copy() if reader.greyscale else pixels.copy()
