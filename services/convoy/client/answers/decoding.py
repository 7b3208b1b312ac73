"""Reads the pictures and embeddings that come in answers: masks, aligned crops of faces, what imaging makes.

Pillow does it where it is installed, many times faster. The bare client has pypng, which is small and reads PNG alone.
"""

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from convoy.core.errors import FailedPrecondition

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PNG = b"\x89PNG"


def read_picture(data: bytes) -> "npt.NDArray[np.uint8]":
    """Pixels of an 8-bit file: [height, width] if it is grey, else RGB as [height, width, 3].

    Raises FailedPrecondition(NOT_INSTALLED) if the file is no PNG and Pillow is not installed.
    """
    import numpy as np

    try:
        from PIL import Image
    except ModuleNotFoundError:
        return _read_by_pypng(data)
    with Image.open(BytesIO(data)) as image:
        return np.array(image if image.mode == "L" else image.convert("RGB"), np.uint8)


def read_embedding(values: Iterable[float]) -> "npt.NDArray[np.float32]":
    """The numbers of an embedding: [D]."""
    import numpy as np

    return np.fromiter(values, np.float32)


def _read_by_pypng(data: bytes) -> "npt.NDArray[np.uint8]":
    import numpy as np
    import png

    if not data.startswith(PNG):
        message = "the answer's picture is no PNG, and Pillow, which reads it, is not installed"
        raise FailedPrecondition("NOT_INSTALLED", message, hint="pip install pillow, or ask for PNG")
    reader = png.Reader(bytes=data)
    reader.preamble()
    width, height, rows, info = reader.read() if reader.greyscale else reader.asRGB8()
    pixels = np.frombuffer(b"".join(bytes(row) for row in rows), np.uint8).reshape(height, width, info["planes"])
    return pixels[:, :, 0].copy() if reader.greyscale else pixels.copy()
