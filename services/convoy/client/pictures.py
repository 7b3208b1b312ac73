"""Turns whatever holds a picture into the message that services read: paths, bytes, files, arrays, Pillow images."""

import io
import re
from collections.abc import Iterable
from os import PathLike, fsdecode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, Union

from convoy.client.answers.answer import is_array
from convoy.core.errors import InvalidArgument
from convoy.v1 import common_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Channels: TypeAlias = Literal["rgb", "bgr"]
"""The order of an array's channels; OpenCV's is bgr."""


class PillowImage(Protocol):
    """The part of PIL.Image.Image that tells it from other things, so that Pillow need not be imported."""

    def convert(self, mode: str) -> Any:
        """The image in another mode."""

    def getbbox(self) -> Any:
        """The part that is not black."""


class ReadableFile(Protocol):
    """An open binary file."""

    def read(self) -> Any:
        """All bytes from where it stands."""


Picture: TypeAlias = Union[
    str, PathLike[str], bytes, bytearray, memoryview, "npt.NDArray[Any]", PillowImage, ReadableFile
]
"""A path; the bytes of a picture file, or an open binary file (also a BytesIO); an array (uint8 RGB [H, W, 3] or grey
[H, W], or float32 RGB from 0 to 1); or a Pillow image, whose EXIF orientation and colour profile are applied."""

_LONGEST_PATH = 4096
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]{64,}")
_BASE64_BEGINNINGS = (b"/9j/", b"iVBORw0KGgo", b"UklGR", b"R0lGOD", b"AAAA")


def write_image(picture: Picture, channels: Channels = "rgb") -> common_pb2.Image:
    """The message for one picture. channels: the order of an array's channels.

    FileNotFoundError, OSError: the file cannot be read. InvalidArgument: it is not a plain file, or something else than
    a picture (BAD_ARGUMENT), or an array has another layout (BAD_RAW_IMAGE). No message repeats what was given.
    """
    if channels not in ("rgb", "bgr"):
        raise InvalidArgument("BAD_ARGUMENT", 'channels is "rgb" or "bgr"')
    if isinstance(picture, str | PathLike):
        return common_pb2.Image(encoded=read_file(_path(fsdecode(picture))))
    if isinstance(picture, bytes | bytearray | memoryview):
        return common_pb2.Image(encoded=_no_text(bytes(picture)))
    if is_array(picture):
        return common_pb2.Image(raw=_write_array(picture, channels))
    if hasattr(picture, "convert") and hasattr(picture, "getbbox"):
        return common_pb2.Image(raw=_write_array(_upright(picture), "rgb"))
    if hasattr(picture, "read"):
        return common_pb2.Image(encoded=_no_text(_read_open_file(picture)))
    message = f"a {type(picture).__name__} is not a picture; give a path, bytes, a file, an array or a Pillow image"
    raise InvalidArgument("BAD_ARGUMENT", message)


def read_file(path: Path) -> bytes:
    """Read a file. InvalidArgument(BAD_ARGUMENT): it is a device or pipe, which may never end; OSError."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InvalidArgument("BAD_ARGUMENT", f"'{path}' is not a plain file")
    return path.read_bytes()


def write_images(pictures: Iterable[Picture], channels: Channels = "rgb") -> list[common_pb2.Image]:
    """The messages for several pictures. InvalidArgument(BAD_ARGUMENT): it is one picture, not a list."""
    if isinstance(pictures, str | bytes | bytearray | memoryview | PathLike) or hasattr(pictures, "read"):
        raise InvalidArgument("BAD_ARGUMENT", "give a list of pictures, not one picture")
    return [write_image(picture, channels) for picture in pictures]


def _path(text: str) -> Path:
    """The text as a path. InvalidArgument(BAD_ARGUMENT): it is something else that people pass as text."""
    if not text:
        raise InvalidArgument("BAD_ARGUMENT", "an empty text is no path of a picture")
    if text[:5].lower() == "data:":
        raise InvalidArgument("BAD_ARGUMENT", "this is a data URL; give the bytes that base64.b64decode makes of it")
    if re.match(r"[a-z][a-z0-9+.-]*://", text[:64], re.IGNORECASE):
        raise InvalidArgument("BAD_ARGUMENT", "this is a URL; give the bytes that convoy.client.fetch_picture brings")
    if len(text) > _LONGEST_PATH or "\0" in text or (_BASE64.fullmatch(text) and not Path(text[:255]).exists()):
        message = "this text is no path; if it is base64, give the bytes that base64.b64decode makes of it"
        raise InvalidArgument("BAD_ARGUMENT", message)
    return Path(text)


def _no_text(data: bytes) -> bytes:
    """The bytes. InvalidArgument(BAD_ARGUMENT): they are text that holds a picture."""
    if data[:5].lower() == b"data:":
        raise InvalidArgument("BAD_ARGUMENT", "this is a data URL; give the bytes that base64.b64decode makes of it")
    if data.startswith(_BASE64_BEGINNINGS) and _BASE64.fullmatch(data[:128].decode("latin-1")):
        raise InvalidArgument("BAD_ARGUMENT", "this is base64; give the bytes that base64.b64decode makes of it")
    return data


def _read_open_file(file: Any) -> bytes:
    """What is in an open file: from where it stands; from its beginning where it was written just now."""
    if isinstance(file, io.TextIOBase):
        raise _open_as_text()
    can_seek = getattr(file, "seekable", lambda: hasattr(file, "seek"))()
    stood = file.tell() if can_seek else 0
    data = file.read()
    if not data and can_seek and stood:
        file.seek(0)
        data = file.read()
    if can_seek:
        file.seek(stood)
    if not isinstance(data, bytes | bytearray | memoryview):
        raise _open_as_text()
    return bytes(data)


def _open_as_text() -> InvalidArgument:
    return InvalidArgument("BAD_ARGUMENT", 'this file is open as text; open it with "rb"')


def _upright(image: Any) -> "npt.NDArray[np.uint8]":
    """A Pillow image as a service decodes its file: upright, sRGB, on white; uint8 [H, W, 3]."""
    from convoy.core.pictures.colours import convert_image
    from convoy.core.pictures.orientation import orientation_in, turn

    image.load()
    icc, exif = image.info.get("icc_profile"), image.info.get("exif")
    pixels = convert_image(image, icc if isinstance(icc, bytes) else b"")
    return turn(pixels, orientation_in(exif) if isinstance(exif, bytes) else 1)


def _write_array(pixels: "npt.NDArray[Any]", channels: Channels) -> common_pb2.RawImage:
    import numpy as np

    layouts = {
        (np.dtype(np.uint8), (3,)): common_pb2.PIXEL_FORMAT_BGR8 if channels == "bgr" else common_pb2.PIXEL_FORMAT_RGB8,
        (np.dtype(np.uint8), ()): common_pb2.PIXEL_FORMAT_GRAY8,
        (np.dtype(np.float32), (3,)): common_pb2.PIXEL_FORMAT_RGB32F,
    }
    layout = layouts.get((pixels.dtype, pixels.shape[2:]))
    if layout is None or pixels.ndim < 2:
        raise InvalidArgument(
            "BAD_RAW_IMAGE",
            f"{pixels.dtype} {list(pixels.shape)} is not a picture; give uint8 [H, W, 3] (RGB) or [H, W] (grey)",
        )
    if layout == common_pb2.PIXEL_FORMAT_RGB32F and channels == "bgr":
        pixels = pixels[:, :, ::-1]
    height, width = pixels.shape[:2]
    little_endian = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return common_pb2.RawImage(width=width, height=height, format=layout, data=little_endian.tobytes())
