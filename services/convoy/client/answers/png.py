"""Reads the PNG files of answers: masks, and the aligned crops of faces.

Pillow does it where it is installed, many times faster. The bare client has pypng, which is small.
"""

from io import BytesIO

import numpy as np
import numpy.typing as npt

PNG_CHANNELS = {1: "L", 3: "RGB"}


def read_png(data: bytes, channels: int) -> npt.NDArray[np.uint8]:
    """Pixels of an 8-bit PNG file: [height, width] for 1 channel, RGB as [height, width, 3] for 3."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return _read_by_pypng(data, channels)
    with Image.open(BytesIO(data)) as image:
        return np.array(image.convert(PNG_CHANNELS[channels]), np.uint8)


def _read_by_pypng(data: bytes, channels: int) -> npt.NDArray[np.uint8]:
    import png

    reader = png.Reader(bytes=data)
    width, height, rows, info = reader.asRGB8() if channels == 3 else reader.read()
    pixels = np.frombuffer(b"".join(bytes(row) for row in rows), np.uint8).reshape(height, width, info["planes"])
    return pixels.copy() if channels == 3 else pixels[:, :, 0].copy()
