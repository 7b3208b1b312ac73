"""PNG: keeps the chunks that make the picture, and reads its colours. Source: PNG (Third Edition), 5 and 11.

Texts and the frames of an animation are left out, and so is a chunk beside the picture whose checksum is wrong, as
libpng and browsers do. A wrong checksum within the picture stays an error.
"""

import struct
import zlib
from collections.abc import Iterator

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.containers.parts import Parts
from convoy.core.pictures.light import Light, by_codes, by_numbers

_BEGIN = 8
_PICTURE = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_BESIDE = frozenset({b"tRNS", b"iCCP", b"eXIf"})
_COLOURS = frozenset({b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"})
_MOST_BESIDE_BYTES = 4 * 2**20
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ROW_BYTES = 8
_SMALL_BYTES, _SMALL_WORK, _WORK_A_BYTE = 2**20, 150_000_000, 160
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
        sound = name in _PICTURE or (name in _BESIDE and _is_sound(whole, at, end))
        if not sound or name == b"tRNS":
            kept.append(data[run:at])
            run = end
        if sound and name == b"tRNS":
            kept.append(_transparency(data, at, end))
        at = end
        if name == b"IEND":
            ended = True
            break
    if len(kept) == 1 and ended and at == len(data):
        return data
    kept.append(data[run:at])
    return b"".join(kept) + (b"" if ended or at != len(data) else _END)


def light_of(data: bytes) -> Light | None:
    """The colours that chunks of a picture without a profile describe; None for sRGB.

    cICP goes before sRGB, and sRGB before gAMA and cHRM. Without gAMA, cHRM says nothing, as browsers have it.
    """
    chunks = dict(_before_picture(data))
    if b"cICP" in chunks and len(chunks[b"cICP"]) == 4:
        return by_codes(chunks[b"cICP"][0], chunks[b"cICP"][1])
    if b"sRGB" in chunks or b"iCCP" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return None
    corners = None
    if len(chunks.get(b"cHRM", b"")) == 32:
        corners = tuple(number / 100_000 for number in struct.unpack(">8I", chunks[b"cHRM"]))
    return by_numbers(int.from_bytes(chunks[b"gAMA"], "big") / 100_000, corners)


def _before_picture(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The names and the bytes of the sound chunks before the palette or the picture; of iCCP the name alone."""
    at, whole = _BEGIN, memoryview(data)
    while at + 8 <= len(data) and (name := data[at + 4 : at + 8]) not in (b"PLTE", b"IDAT"):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if name in _COLOURS and _is_sound(whole, at, end):
            yield name, b"" if name == b"iCCP" else data[at + 8 : end - 4]
        at = end


def _transparency(data: bytes, at: int, end: int) -> bytes:
    """The chunk tRNS. For grey of 2 or 4 bits, Pillow takes its value for one of 8 bits, so it becomes one."""
    bits, kind = data[24], data[25]
    if kind != 0 or bits not in (2, 4) or end - at != 14:
        return data[at:end]
    value = (int.from_bytes(data[at + 8 : at + 10], "big") & (1 << bits) - 1) * 255 // ((1 << bits) - 1)
    body = b"tRNS" + value.to_bytes(2, "big")
    return data[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")


def _is_sound(data: memoryview, at: int, end: int) -> bool:
    """Whether a chunk beside the picture is of a sensible size and has the right checksum."""
    if end > len(data) or end - at > _MOST_BESIDE_BYTES:
        return False
    return zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")


def check_work(data: bytes) -> None:
    """Raise InvalidArgument(TOO_MANY_PIXELS) for a small file whose pixels take a core more than a second to unpack.

    Unpacking costs by bytes rather than pixels, and each row costs as much as some bytes more.
    """
    width, height, bits, colours = struct.unpack_from(">IIBB", data, 16)
    row = -(-width * bits * _CHANNELS.get(colours, 4) // 8)
    work, allowed = (row + _ROW_BYTES) * height, _SMALL_WORK + max(0, len(data) - _SMALL_BYTES) * _WORK_A_BYTE
    if work > allowed:
        message = f"a PNG of {len(data):,} bytes may unpack to {allowed:,} bytes, and {_ROW_BYTES} for each row count"
        facts = {"bytes": work, "max_bytes": allowed}
        raise InvalidArgument("TOO_MANY_PIXELS", message, facts, hint="send JPEG, or PNG without transparency")
