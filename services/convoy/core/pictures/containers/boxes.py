"""HEIC, AVIF and JPEG 2000: files of nested boxes. Source: ISO/IEC 14496-12, 4.2; ISO/IEC 15444-1, annex I."""

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.containers.parts import MOST_BOXES, Parts
from convoy.core.pictures.light import Light, by_codes

_NESTED = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"jp2h": 0}
"""Boxes whose boxes are counted too, and how many bytes stand before those."""
_HEAD_BYTES = 2**16
"""How far into the file its properties may stand."""
_SIZES = b"\xff\x4f\xff\x51"
_MOST_CHANNELS = 4


def check(data: bytes, format_name: str) -> None:
    """Count the boxes. Raises InvalidArgument(TOO_MANY_SEGMENTS)."""
    _count(data, 0, len(data), Parts(format_name, "boxes", MOST_BOXES), depth=4)


def light_of(data: bytes) -> Light | None:
    """The colours that a box `colr` of HEIC or AVIF names by code points; None for sRGB and where none does."""
    at = data.find(b"colrnclx", 0, _HEAD_BYTES)
    if at < 0 or at + 12 > len(data):
        return None
    return by_codes(int.from_bytes(data[at + 8 : at + 10], "big"), int.from_bytes(data[at + 10 : at + 12], "big"))


def codestream_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG 2000 codestream, which a file's own header may contradict.

    Raises InvalidArgument(NOT_AN_IMAGE).
    """
    at = data.find(_SIZES)
    if at < 0 or at + 42 > len(data):
        raise InvalidArgument("NOT_AN_IMAGE", "the JPEG 2000 file has no picture in it")
    right, below, left, top, tile_width, tile_height = (
        int.from_bytes(data[at + 8 + 4 * i : at + 12 + 4 * i], "big") for i in range(6)
    )
    channels = int.from_bytes(data[at + 40 : at + 42], "big")
    width, height = right - left, below - top
    if not (width > 0 and height > 0 and tile_width and tile_height and 1 <= channels <= _MOST_CHANNELS):
        raise InvalidArgument("NOT_AN_IMAGE", "the header of the JPEG 2000 picture makes no sense")
    Parts("JPEG 2000", "tiles").more(-(-right // tile_width) * -(-below // tile_height))
    return width, height


def _count(data: bytes, at: int, end: int, parts: Parts, depth: int) -> None:
    while at + 8 <= end:
        parts.more()
        length, name, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if length == 0:
            length = end - at
        if length < head:
            return
        if depth and name in _NESTED:
            _count(data, at + head + _NESTED[name], min(end, at + length), parts, depth - 1)
        at += length
