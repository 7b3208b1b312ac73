"""Turns whatever holds a picture into the message that services read: paths, bytes, arrays, Pillow images."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument
from convoy.v1 import common_pb2


class PillowImage(Protocol):
    """The part of PIL.Image.Image that is needed, so that Pillow is not."""

    def convert(self, mode: str) -> Any:
        """The image in another mode, here RGB."""


Picture: TypeAlias = str | PathLike[str] | bytes | npt.NDArray[Any] | PillowImage
"""A path; the bytes of a JPEG, PNG or WebP file; an array (uint8 RGB [H, W, 3] or grey [H, W], or float32 RGB from 0 to
1); or a Pillow image, to which you have applied the EXIF orientation."""


def write_image(picture: Picture) -> common_pb2.Image:
    """The message for one picture.

    FileNotFoundError, OSError: the file cannot be read. InvalidArgument: it is not a plain file (BAD_ARGUMENT), or an
    array has another layout (BAD_RAW_IMAGE).
    """
    if isinstance(picture, str | PathLike):
        return common_pb2.Image(encoded=read_file(Path(picture)))
    if isinstance(picture, bytes):
        return common_pb2.Image(encoded=picture)
    if isinstance(picture, np.ndarray):
        return common_pb2.Image(raw=_write_array(picture))
    if hasattr(picture, "convert"):
        return common_pb2.Image(raw=_write_array(_flatten(picture)))
    raise InvalidArgument(
        "BAD_ARGUMENT", f"a {type(picture).__name__} is not a picture; give a path, bytes, an array or a Pillow image"
    )


def read_file(path: Path) -> bytes:
    """Read a file. InvalidArgument(BAD_ARGUMENT): it is a device or pipe, which may never end; OSError."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InvalidArgument("BAD_ARGUMENT", f"'{path}' is not a plain file")
    return path.read_bytes()


def _flatten(picture: Any) -> Any:
    """A Pillow image as uint8 [H,W,3]; 16-bit grey as [H,W], scaled here because Pillow would clip it."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return (np.asarray(picture, np.float64) / 257).clip(0, 255).astype(np.uint8)
    return np.asarray(picture.convert("RGB"))


def write_images(pictures: Iterable[Picture]) -> list[common_pb2.Image]:
    """The messages for several pictures. InvalidArgument(BAD_ARGUMENT): it is one path or bytes, not a list."""
    if isinstance(pictures, str | bytes | PathLike):
        raise InvalidArgument("BAD_ARGUMENT", "give a list of pictures, not one picture")
    return [write_image(picture) for picture in pictures]


def _write_array(pixels: npt.NDArray[Any]) -> common_pb2.RawImage:
    layouts = {
        (np.dtype(np.uint8), (3,)): common_pb2.PIXEL_FORMAT_RGB8,
        (np.dtype(np.uint8), ()): common_pb2.PIXEL_FORMAT_GRAY8,
        (np.dtype(np.float32), (3,)): common_pb2.PIXEL_FORMAT_RGB32F,
    }
    layout = layouts.get((pixels.dtype, pixels.shape[2:]))
    if layout is None or pixels.ndim < 2:
        raise InvalidArgument(
            "BAD_RAW_IMAGE",
            f"{pixels.dtype} {list(pixels.shape)} is not a picture; give uint8 [H, W, 3] (RGB) or [H, W] (grey)",
        )
    height, width = pixels.shape[:2]
    little_endian = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return common_pb2.RawImage(width=width, height=height, format=layout, data=little_endian.tobytes())
