"""Writes films as H.264 in MP4 or Matroska. It needs PyAV: the extra `film`."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from convoy.client.answers.common import ImageRGB
from convoy.client.films import load_pyav
from convoy.core.errors import InvalidArgument

ENDINGS = (".mp4", ".mkv", ".mov", ".ts")


def check_film_name(path: Path) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) for a name that no film can have."""
    if path.suffix.lower() not in ENDINGS:
        raise InvalidArgument("BAD_ARGUMENT", f"'{path}' names no film; end it with one of {', '.join(ENDINGS)}")


class FilmWriter:
    """Writes pictures one by one. The first one gives the size; one of another size is fitted into it."""

    def __init__(self, path: Path, per_second: float = 25.0) -> None:
        check_film_name(path)
        self._file = load_pyav().open(str(path), "w")
        self._stream = self._file.add_stream("h264", rate=Fraction(per_second).limit_denominator(1001))
        self._stream.pix_fmt = "yuv420p"
        self._extent: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, image_rgb: ImageRGB) -> None:
        """Write the next picture, uint8 RGB [H, W, 3]."""
        if self._extent is None:
            # The codec keeps colours for blocks of 2 * 2 pixels.
            self._extent = image_rgb.shape[1] // 2 * 2 or 2, image_rgb.shape[0] // 2 * 2 or 2
            self._stream.width, self._stream.height = self._extent
        self._encode(load_pyav().VideoFrame.from_ndarray(_fit(image_rgb, self._extent), format="rgb24"))

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        if self._extent is not None:
            self._encode(None)
        self._file.close()

    def _encode(self, picture: Any) -> None:
        for packet in self._stream.encode(picture):
            self._file.mux(packet)


def _fit(image_rgb: ImageRGB, extent: tuple[int, int]) -> ImageRGB:
    """The picture in an extent (width, height): cut by at most a pixel, or scaled into the middle of black."""
    width, height = extent
    if (image_rgb.shape[1] // 2 * 2, image_rgb.shape[0] // 2 * 2) == extent:
        return np.ascontiguousarray(image_rgb[:height, :width])
    scale = min(width / image_rgb.shape[1], height / image_rgb.shape[0])
    size = max(1, round(image_rgb.shape[1] * scale)), max(1, round(image_rgb.shape[0] * scale))
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)
    return canvas
