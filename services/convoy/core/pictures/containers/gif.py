"""GIF: keeps the first frame. Source: GIF89a specification."""

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.containers.parts import Parts
from convoy.core.pictures.refusals import cut_short

_SCREEN = 13
_GRAPHIC_CONTROL = 0xF9
_END = b"\x3b"


class _Cut(Exception):
    """The file ends within blocks."""


def tidy(data: bytes) -> bytes:
    """Keep the screen, the transparency and the data of the first frame.

    Raises InvalidArgument: TOO_MANY_SEGMENTS, TRUNCATED_IMAGE, NOT_AN_IMAGE.
    """
    at = _SCREEN + _table_bytes(data[10] if len(data) > 10 else 0)
    kept, parts = [data[:at]], Parts("GIF", "blocks")
    while at + 2 <= len(data):
        begin, label = at, data[at]
        if label == 0x21:
            control = data[at + 1] == _GRAPHIC_CONTROL
            try:
                at = _behind_blocks(data, at + 2, parts)
            except _Cut:
                break
            if control:
                kept.append(data[begin:at])
        elif label == 0x2C and at + 10 <= len(data):
            try:
                at = _behind_blocks(data, at + 11 + _table_bytes(data[at + 9]), parts)
            except _Cut:
                raise cut_short() from None
            return b"".join((*kept, data[begin:at], _END))
        else:
            break
    raise InvalidArgument("NOT_AN_IMAGE", "the GIF ends before its picture begins")


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(data: bytes, at: int, parts: Parts) -> int:
    """Go over blocks of data, each of at most 255 bytes, up to and including the empty one at their end."""
    while at < len(data):
        parts.more()
        length = data[at]
        at += 1 + length
        if not length:
            return at
    raise _Cut
