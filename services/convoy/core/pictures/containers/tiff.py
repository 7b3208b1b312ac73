"""TIFF: keeps the tags that make the first page. Source: TIFF 6.0; BigTIFF; TIFF/EP for the previews of raw files.

Tags about anything else may be many and large, and Pillow would read each of them. It misreads deep colours that are
stored plane by plane, so each plane becomes a grey picture of its own. It knows no deep L*a*b*, which is opened as RGB.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.containers.parts import Parts
from convoy.core.pictures.refusals import cut_short, unsupported

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_KEPT = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339}
    | {347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 34675}
)
_WIDTH, _HEIGHT, _BITS, _STRIPS, _CHANNELS, _TILE_WIDTH, _TILE_HEIGHT, _TILES = 256, 257, 258, 273, 277, 322, 323, 324
_COMPRESSION, _PLANAR, _SAMPLE_FORMAT, _EXTRA_SAMPLES = 259, 284, 339, 338
_PER_STRIP = frozenset({273, 279, 324, 325})
_SUBFILE, _ORIENTATION, _PHOTOMETRIC, _FURTHER_PAGES, _DNG = 254, 274, 262, 330, 50706
_MOST_TAG_BYTES = 8 * 2**20
_MOST_TAGS = 4096
_MOST_CHANNELS = 8
_COLOURS = 3
_LAB = 8
_SAMPLES = {1: "whole numbers", 2: "whole numbers", 3: "floating-point numbers"}
_PHOTOMETRIC_NAMES = {0: "grey", 1: "grey", 2: "RGB", 3: "a palette", 5: "CMYK", 6: "YCbCr", 8: "L*a*b*", 9: "L*a*b*"}
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32773, 32809, 32946, 34925, 50000})
"""Those that Pillow's libtiff reads: none, fax, LZW, JPEG, Deflate, PackBits, ThunderScan, LZMA, Zstandard."""


@dataclass(frozen=True)
class Page:
    """The first page: the bytes to open, its size, its orientation, and whether 0 stands for white.

    bits: of a value. kind: what it holds, for people. planes: files of red, green and blue in place of `data`.
    is_deep_lab: `data` says RGB where L*a*b* of 16 bits stands.
    """

    data: bytes
    width: int
    height: int
    orientation: int
    zero_is_white: bool
    bits: int
    kind: str
    planes: tuple[bytes, ...] = ()
    is_deep_lab: bool = False


@dataclass(frozen=True)
class _Entry:
    tag: int
    kind: int
    count: int
    raw: bytes


def first_page(data: bytes) -> Page:
    """Read the tags of the first page and keep those of the picture.

    Raises InvalidArgument: NOT_AN_IMAGE, TRUNCATED_IMAGE, TOO_MANY_SEGMENTS; UNSUPPORTED_FORMAT for a camera's raw
    file.
    """
    order, big = "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")
    if big and order == ">":  # Pillow takes it for no TIFF at all.
        raise unsupported("a BigTIFF with the high byte first")
    entries = {entry.tag: entry for entry in _entries(data, order, big)}

    def number(tag: int, otherwise: int = 0) -> int:
        return _number(data, entries[tag], order, big) if tag in entries else otherwise

    if _DNG in entries or data[8:10] == b"CR" or (_FURTHER_PAGES in entries and number(_SUBFILE) & 1):
        message = "this is a camera's raw file; send the JPEG that the camera or your photo program makes of it"
        raise InvalidArgument("UNSUPPORTED_FORMAT", message, {"format": "raw"})
    width, height = number(_WIDTH), number(_HEIGHT)
    if not (width and height):
        raise InvalidArgument("NOT_AN_IMAGE", "the TIFF has no picture in it")
    tile = number(_TILE_WIDTH) * number(_TILE_HEIGHT)
    if number(_CHANNELS, 1) > _MOST_CHANNELS or number(_BITS, 1) > 64 or tile > 4 * max(width * height, 2**20):
        raise InvalidArgument("NOT_AN_IMAGE", "the header of the TIFF makes no sense")
    parts = Parts("TIFF", "strips")
    for tag in (_STRIPS, _TILES):
        parts.more(entries[tag].count if tag in entries else 0)
    kept = [entry for tag, entry in sorted(entries.items()) if tag in _KEPT]
    if sum(entry.count * _TYPE_BYTES[entry.kind] for entry in kept) > _MOST_TAG_BYTES:
        raise InvalidArgument("TOO_MANY_SEGMENTS", "the tags of the TIFF are too large")
    if number(_COMPRESSION, 1) not in _COMPRESSIONS:
        raise unsupported(f"a TIFF with the compression {number(_COMPRESSION)}")
    bits, channels, photometric = number(_BITS, 1), number(_CHANNELS, 1), number(_PHOTOMETRIC, 1)
    numbers = _SAMPLES.get(number(_SAMPLE_FORMAT, 1), "numbers of another kind")
    planes: tuple[bytes, ...] = ()
    if number(_PLANAR, 1) == 2 and bits == 16 and photometric == 2 and channels >= _COLOURS:
        planes = tuple(_with_tags(data, _plane(data, kept, i, order, big), order, big) for i in range(_COLOURS))
    is_deep_lab = photometric == _LAB and bits == 16 and channels == _COLOURS and number(_PLANAR, 1) == 1
    if is_deep_lab:
        kept = [_short(_PHOTOMETRIC, 2, order, big) if entry.tag == _PHOTOMETRIC else entry for entry in kept]
    return Page(
        b"" if planes else _with_tags(data, kept, order, big),
        width,
        height,
        number(_ORIENTATION, 1),
        photometric == 0,
        bits,
        f"a TIFF of {_PHOTOMETRIC_NAMES.get(photometric, 'unusual colours')}, {channels} x {bits} bits, {numbers}",
        planes,
        is_deep_lab,
    )


def _entries(data: bytes, order: str, big: bool) -> Iterator[_Entry]:
    try:
        (at,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, 8 if big else 4)
        (count,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", data, at)
        at += 8 if big else 2
        Parts("TIFF", "tags", _MOST_TAGS).more(count)
        for _ in range(count):
            tag, kind, length = struct.unpack_from(f"{order}HHQ" if big else f"{order}HHI", data, at)
            size = 20 if big else 12
            if kind in _TYPE_BYTES:
                yield _Entry(tag, kind, length, data[at : at + size])
            at += size
    except (struct.error, OverflowError):
        raise cut_short() from None


def _number(data: bytes, entry: _Entry, order: str, big: bool) -> int:
    """The first number of a tag; 0 if it has none."""
    code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(entry.kind)
    if code is None or not entry.count:
        return 0
    size, inline = _TYPE_BYTES[entry.kind] * entry.count, 8 if big else 4
    value = entry.raw[-inline:]
    try:
        if size > inline:
            (at,) = struct.unpack(f"{order}Q" if big else f"{order}I", value)
            return int(struct.unpack_from(order + code, data, at)[0])
        return int(struct.unpack_from(order + code, value)[0])
    except (struct.error, OverflowError):
        raise cut_short() from None


def _plane(data: bytes, entries: list[_Entry], plane: int, order: str, big: bool) -> list[_Entry]:
    """The tags of one channel of a page that is stored channel by channel, as a grey page of 16 bits."""
    channels = next(_number(data, entry, order, big) for entry in entries if entry.tag == _CHANNELS)
    plain = {_BITS: 16, _CHANNELS: 1, _PHOTOMETRIC: 1}
    made = []
    for entry in entries:
        if entry.tag in plain:
            made.append(_short(entry.tag, plain[entry.tag], order, big))
        elif entry.tag in _PER_STRIP:
            made.append(_part_of(data, entry, plane, channels, order, big))
        elif entry.tag not in (_PLANAR, _SAMPLE_FORMAT, _EXTRA_SAMPLES):
            made.append(entry)
    return made


def _short(tag: int, value: int, order: str, big: bool) -> _Entry:
    inline = struct.pack(f"{order}H", value).ljust(8 if big else 4, b"\0")
    return _Entry(tag, 3, 1, struct.pack(f"{order}HHQ" if big else f"{order}HHI", tag, 3, 1) + inline)


def _part_of(data: bytes, entry: _Entry, part: int, parts: int, order: str, big: bool) -> _Entry:
    """One of the equal parts of a tag's numbers."""
    inline, count, size = 8 if big else 4, entry.count // parts, _TYPE_BYTES[entry.kind]
    if entry.count * size <= inline:
        value = entry.raw[-inline:][part * count * size :][: count * size].ljust(inline, b"\0")
    else:
        (at,) = struct.unpack(f"{order}Q" if big else f"{order}I", entry.raw[-inline:])
        at += part * count * size
        value = data[at : at + count * size].ljust(inline, b"\0")
        if count * size > inline:
            try:
                value = struct.pack(f"{order}Q" if big else f"{order}I", at)
            except struct.error:
                raise cut_short() from None
    head = struct.pack(f"{order}HHQ" if big else f"{order}HHI", entry.tag, entry.kind, count)
    return _Entry(entry.tag, entry.kind, count, head + value)


def _with_tags(data: bytes, entries: list[_Entry], order: str, big: bool) -> bytes:
    """The file with a directory of these entries alone, behind what was there."""
    at = len(data) + len(data) % 2
    head = data[:8] + struct.pack(f"{order}Q", at) if big else data[:4] + struct.pack(f"{order}I", at)
    count = struct.pack(f"{order}Q" if big else f"{order}H", len(entries))
    end = struct.pack(f"{order}Q" if big else f"{order}I", 0)
    pad = b"\0" * (at - len(data))
    return b"".join((head, data[len(head) :], pad, count, *(entry.raw for entry in entries), end))
