"""PNG: keeps the chunks that make the picture. Source: PNG (Third Edition), 5 and 11.

Texts and the frames of an animation are left out, and so is a chunk beside the picture whose checksum is wrong, as
libpng and browsers do. A wrong checksum within the picture stays an error.
"""

import zlib

from convoy.core.pictures.containers.parts import Parts

_BEGIN = 8
_PICTURE = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_BESIDE = frozenset({b"tRNS", b"iCCP", b"eXIf", b"gAMA", b"cHRM", b"sRGB", b"sBIT"})
_MOST_BESIDE_BYTES = 4 * 2**20
_END = b"\0\0\0\0IEND\xaeB`\x82"


def tidy(data: bytes) -> bytes:
    """Keep the chunks of the picture. Raises InvalidArgument(TOO_MANY_SEGMENTS)."""
    kept: list[bytes] = [data[:_BEGIN]]
    parts, at, run = Parts("PNG", "chunks"), _BEGIN, _BEGIN
    whole, ended = memoryview(data), False
    while at + 8 <= len(data):
        parts.more()
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        if not (name in _PICTURE or (name in _BESIDE and _is_sound(whole, at, end))):
            kept.append(data[run:at])
            run = end
        at = end
        if name == b"IEND":
            ended = True
            break
    if len(kept) == 1 and ended and at == len(data):
        return data
    kept.append(data[run:at])
    return b"".join(kept) + (b"" if ended or at != len(data) else _END)


def _is_sound(data: memoryview, at: int, end: int) -> bool:
    """Whether a chunk beside the picture is of a sensible size and has the right checksum."""
    if end > len(data) or end - at > _MOST_BESIDE_BYTES:
        return False
    return zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
