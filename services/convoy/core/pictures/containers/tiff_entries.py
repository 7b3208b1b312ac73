"""The directory of a TIFF: its entries, and files that hold other entries over the same picture data.

Source: TIFF 6.0, section 2; BigTIFF.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from convoy.core.pictures.containers.parts import Parts
from convoy.core.pictures.refusals import cut_short

BYTES_OF = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a number, by its kind."""
WIDTH, BITS, PHOTOMETRIC, CHANNELS, PLANAR, TILE_WIDTH, EXTRA_SAMPLES, SAMPLE_FORMAT = (
    256, 258, 262, 277, 284, 322, 338, 339,
)  # fmt: skip
_HEIGHT, _STRIPS, _ROWS = 257, 273, 278
_PARTS = ((_STRIPS, 279), (324, 325))
_PER_STRIP = frozenset({273, 279, 324, 325})
_MOST_TAGS = 4096
_LONG = 4
# Numbers of 8 bytes, which only BigTIFF has: whole, signed, and offsets of directories.
_NARROW = {16: (4, "Q", "I"), 17: (9, "q", "i"), 18: (13, "Q", "I")}


@dataclass(frozen=True)
class Entry:
    """A tag: the kind of its numbers, how many, and its bytes in the directory."""

    tag: int
    kind: int
    count: int
    raw: bytes


def entries_of(data: bytes, order: str, big: bool) -> Iterator[Entry]:
    """Read the first directory. Raises InvalidArgument: TRUNCATED_IMAGE, TOO_MANY_SEGMENTS."""
    try:
        (at,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, 8 if big else 4)
        (count,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", data, at)
        at += 8 if big else 2
        Parts("TIFF", "tags", _MOST_TAGS).more(count)
        for _ in range(count):
            tag, kind, length = struct.unpack_from(f"{order}HHQ" if big else f"{order}HHI", data, at)
            size = 20 if big else 12
            if kind in BYTES_OF:
                yield Entry(tag, kind, length, data[at : at + size])
            at += size
    except (struct.error, OverflowError):
        raise cut_short() from None


def number_of(data: bytes, entry: Entry, order: str, big: bool) -> int:
    """The first number of a tag; 0 if it has none."""
    code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(entry.kind)
    if code is None or not entry.count:
        return 0
    size, inline = BYTES_OF[entry.kind] * entry.count, 8 if big else 4
    value = entry.raw[-inline:]
    try:
        if size > inline:
            (at,) = struct.unpack(f"{order}Q" if big else f"{order}I", value)
            return int(struct.unpack_from(order + code, data, at)[0])
        return int(struct.unpack_from(order + code, value)[0])
    except (struct.error, OverflowError):
        raise cut_short() from None


def numbers_of(data: bytes, entry: Entry, order: str, big: bool) -> tuple[int, ...]:
    """All numbers of a tag; none if it has no whole ones."""
    code = {3: "H", 4: "I", 16: "Q"}.get(entry.kind)
    if code is None:
        return ()
    size, inline = BYTES_OF[entry.kind] * entry.count, 8 if big else 4
    try:
        at = struct.unpack(f"{order}Q" if big else f"{order}I", entry.raw[-inline:])[0] if size > inline else 0
        return struct.unpack_from(f"{order}{entry.count}{code}", data if size > inline else entry.raw[-inline:], at)
    except (struct.error, OverflowError):
        raise cut_short() from None


def check_strips(data: bytes, entries: Mapping[int, Entry], row_bytes: int, order: str, big: bool) -> None:
    """Raise InvalidArgument(TRUNCATED_IMAGE) if a strip or tile reaches beyond the file.

    A directory that is written behind a file would otherwise be read as pixels. row_bytes: of a picture that is not
    compressed, whose strips often claim more bytes than they need; else 0.
    """
    for starts, counts in _PARTS:
        if starts not in entries or counts not in entries:
            continue
        rows = number_of(data, entries[_ROWS], order, big) if _ROWS in entries else 0
        height = number_of(data, entries[_HEIGHT], order, big) if _HEIGHT in entries else 0
        bounds = zip(*(numbers_of(data, entries[tag], order, big) for tag in (starts, counts)), strict=False)
        for place, (start, count) in enumerate(bounds):
            if row_bytes and starts == _STRIPS:
                count = min(count, row_bytes * (max(1, min(rows, height - place * rows)) if rows else height))
            if start + count > len(data):
                raise cut_short()


def plane_of(data: bytes, entries: list[Entry], plane: int, order: str, big: bool) -> list[Entry]:
    """The tags of one channel of a page that is stored channel by channel, as a grey page of 16 bits."""
    channels = next(number_of(data, entry, order, big) for entry in entries if entry.tag == CHANNELS)
    plain = {BITS: 16, CHANNELS: 1, PHOTOMETRIC: 1}
    made = []
    for entry in entries:
        if entry.tag in plain:
            made.append(short(entry.tag, plain[entry.tag], order, big))
        elif entry.tag in _PER_STRIP:
            made.append(_part_of(data, entry, plane, channels, order, big))
        elif entry.tag not in (PLANAR, SAMPLE_FORMAT, EXTRA_SAMPLES):
            made.append(entry)
    return made


def wide_row(data: bytes, entries: list[Entry], values: int, order: str, big: bool) -> list[Entry]:
    """The tags of a page of so many floating-point numbers a pixel, as grey whose row has as many times the pixels."""
    made = []
    for entry in entries:
        if entry.tag in (WIDTH, TILE_WIDTH):
            made.append(_number_entry(entry.tag, number_of(data, entry, order, big) * values, order, big))
        elif entry.tag in (BITS, PHOTOMETRIC, CHANNELS, SAMPLE_FORMAT):
            plain = {BITS: 32, PHOTOMETRIC: 1, CHANNELS: 1, SAMPLE_FORMAT: 3}[entry.tag]
            made.append(short(entry.tag, plain, order, big))
        elif entry.tag != EXTRA_SAMPLES:
            made.append(entry)
    return made


def short(tag: int, value: int, order: str, big: bool) -> Entry:
    """An entry of one number of 16 bits."""
    inline = struct.pack(f"{order}H", value).ljust(8 if big else 4, b"\0")
    return Entry(tag, 3, 1, struct.pack(f"{order}HHQ" if big else f"{order}HHI", tag, 3, 1) + inline)


def _part_of(data: bytes, entry: Entry, part: int, parts: int, order: str, big: bool) -> Entry:
    """One of the equal parts of a tag's numbers."""
    inline, count, size = 8 if big else 4, entry.count // parts, BYTES_OF[entry.kind]
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
    return Entry(entry.tag, entry.kind, count, head + value)


def _number_entry(tag: int, value: int, order: str, big: bool) -> Entry:
    inline = struct.pack(f"{order}I", value).ljust(8 if big else 4, b"\0")
    return Entry(tag, _LONG, 1, struct.pack(f"{order}HHQ" if big else f"{order}HHI", tag, _LONG, 1) + inline)


def with_tags(data: bytes, entries: list[Entry], order: str, big: bool) -> bytes:
    """The file with a directory of these entries alone, behind what was there.

    A BigTIFF with the high byte first becomes a TIFF of the usual kind: Pillow knows no other with that order.
    """
    if big and order == ">":
        data, entries, big = *_as_usual(data, entries), False
    at = len(data) + len(data) % 2
    head = data[:8] + struct.pack(f"{order}Q", at) if big else data[:4] + struct.pack(f"{order}I", at)
    count = struct.pack(f"{order}Q" if big else f"{order}H", len(entries))
    end = struct.pack(f"{order}Q" if big else f"{order}I", 0)
    pad = b"\0" * (at - len(data))
    return b"".join((head, data[len(head) :], pad, count, *(entry.raw for entry in entries), end))


def _as_usual(data: bytes, entries: list[Entry]) -> tuple[bytes, list[Entry]]:
    """A BigTIFF with the high byte first, and its entries, with numbers of 4 bytes in place of 8."""
    made, more, at = [], [], len(data) + len(data) % 2
    for entry in entries:
        size = BYTES_OF[entry.kind] * entry.count
        start = struct.unpack(">Q", entry.raw[-8:])[0] if size > 8 else 0
        value = data[start : start + size] if size > 8 else entry.raw[-8:][:size]
        if len(value) != size:
            raise cut_short()
        kind = entry.kind
        if kind in _NARROW:
            kind, wide, narrow = _NARROW[kind]
            try:
                value = struct.pack(f">{entry.count}{narrow}", *struct.unpack(f">{entry.count}{wide}", value))
            except struct.error:
                raise cut_short() from None
        head = struct.pack(">HHI", entry.tag, kind, entry.count)
        if len(value) > 4:
            more.append(value + b"\0" * (len(value) % 2))
            value = struct.pack(">I", at)
            at += len(more[-1])
        made.append(Entry(entry.tag, kind, entry.count, head + value.ljust(4, b"\0")))
    return b"".join((b"MM\0*", data[4:], b"\0" * (len(data) % 2), *more)), made
