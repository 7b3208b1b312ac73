"""TIFF: keeps the tags that make the first page. Source: TIFF 6.0; BigTIFF; TIFF/EP for the previews of raw files.

Tags about anything else may be many and large, and Pillow would read each of them. It misreads deep colours that are
stored plane by plane, so each plane becomes a grey picture of its own. It knows no deep L*a*b*, which is opened as RGB,
and no floating-point colours, which are opened as grey of three times the width.
"""

from dataclasses import dataclass

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.containers.parts import Parts
from convoy.core.pictures.containers.tiff_entries import (
    BITS,
    BYTES_OF,
    CHANNELS,
    PHOTOMETRIC,
    PLANAR,
    SAMPLE_FORMAT,
    TILE_WIDTH,
    WIDTH,
    check_strips,
    entries_of,
    number_of,
    plane_of,
    short,
    wide_row,
    with_tags,
)
from convoy.core.pictures.refusals import unsupported

_KEPT = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339}
    | {347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 34675}
)
_HEIGHT, _STRIPS, _TILE_HEIGHT, _TILES, _COMPRESSION, _PREDICTOR = 257, 273, 323, 324, 259, 317
_SUBFILE, _ORIENTATION, _FURTHER_PAGES, _DNG = 254, 274, 330, 50706
_MOST_TAG_BYTES = 8 * 2**20
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
    is_deep_lab: `data` says RGB where L*a*b* of 16 bits stands. floats: numbers a pixel of floating-point colours,
    which `data` says to be grey pixels side by side; else 0. is_swapped: Pillow exchanges the bytes of its numbers once
    too often.
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
    floats: int = 0
    is_swapped: bool = False


def first_page(data: bytes) -> Page:
    """Read the tags of the first page and keep those of the picture.

    Raises InvalidArgument: NOT_AN_IMAGE, TRUNCATED_IMAGE, TOO_MANY_SEGMENTS; UNSUPPORTED_FORMAT for a camera's raw
    file.
    """
    order, big = "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")
    entries = {entry.tag: entry for entry in entries_of(data, order, big)}

    def number(tag: int, otherwise: int = 0) -> int:
        return number_of(data, entries[tag], order, big) if tag in entries else otherwise

    if _DNG in entries or data[8:10] == b"CR" or (_FURTHER_PAGES in entries and number(_SUBFILE) & 1):
        message = "this is a camera's raw file; send the JPEG that the camera or your photo program makes of it"
        raise InvalidArgument("UNSUPPORTED_FORMAT", message, {"format": "raw"})
    width, height = number(WIDTH), number(_HEIGHT)
    if not (width and height):
        raise InvalidArgument("NOT_AN_IMAGE", "the TIFF has no picture in it")
    tile = number(TILE_WIDTH) * number(_TILE_HEIGHT)
    if number(CHANNELS, 1) > _MOST_CHANNELS or number(BITS, 1) > 64 or tile > 4 * max(width * height, 2**20):
        raise InvalidArgument("NOT_AN_IMAGE", "the header of the TIFF makes no sense")
    parts = Parts("TIFF", "strips")
    for tag in (_STRIPS, _TILES):
        parts.more(entries[tag].count if tag in entries else 0)
    kept = [entry for tag, entry in sorted(entries.items()) if tag in _KEPT]
    if sum(entry.count * BYTES_OF[entry.kind] for entry in kept) > _MOST_TAG_BYTES:
        raise InvalidArgument("TOO_MANY_SEGMENTS", "the tags of the TIFF are too large")
    if number(_COMPRESSION, 1) not in _COMPRESSIONS:
        raise unsupported(f"a TIFF with the compression {number(_COMPRESSION)}")
    bits, channels, photometric = number(BITS, 1), number(CHANNELS, 1), number(PHOTOMETRIC, 1)
    row_bytes = -(-width * channels * bits // 8) if number(_COMPRESSION, 1) == 1 and number(PLANAR, 1) == 1 else 0
    check_strips(data, entries, row_bytes, order, big)
    numbers = _SAMPLES.get(number(SAMPLE_FORMAT, 1), "numbers of another kind")
    planes: tuple[bytes, ...] = ()
    if number(PLANAR, 1) == 2 and bits == 16 and photometric == 2 and channels >= _COLOURS:
        planes = tuple(with_tags(data, plane_of(data, kept, i, order, big), order, big) for i in range(_COLOURS))
    is_deep_lab = photometric == _LAB and bits == 16 and channels == _COLOURS and number(PLANAR, 1) == 1
    if is_deep_lab:
        kept = [short(PHOTOMETRIC, 2, order, big) if entry.tag == PHOTOMETRIC else entry for entry in kept]
    floats = _floats(bits, channels, photometric, number(SAMPLE_FORMAT, 1), number(PLANAR, 1), number(_PREDICTOR, 1))
    if floats:
        kept = wide_row(data, kept, floats, order, big)
    return Page(
        b"" if planes else with_tags(data, kept, order, big),
        width,
        height,
        number(_ORIENTATION, 1),
        photometric == 0,
        bits,
        f"a TIFF of {_PHOTOMETRIC_NAMES.get(photometric, 'unusual colours')}, {channels} x {bits} bits, {numbers}",
        planes,
        is_deep_lab,
        floats,
        order == ">" and bits == 32 and number(SAMPLE_FORMAT, 1) in (2, 3) and number(_COMPRESSION, 1) != 1,
    )


def _floats(bits: int, channels: int, photometric: int, sample_format: int, planar: int, predictor: int) -> int:
    """How many floating-point numbers a pixel has, if it is RGB of 32 bits whose rows can be read as grey; else 0."""
    plain = (bits, photometric, sample_format, planar, predictor) == (32, 2, 3, 1, 1)
    return channels if plain and channels == _COLOURS else 0
