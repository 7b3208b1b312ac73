"""Reads the structure of a JPEG by its markers: the size, the scans, where the picture ends, what metadata it carries.

Bounded: a file of millions of segments is refused after MOST_SEGMENTS of them. The scans are followed to the end of the
picture itself; what lies behind it (the film of a motion photo, the second view of an MPO) is never looked at.
Source: ITU-T T.81, annex B.
"""

import re
from dataclasses import dataclass, field

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.refusals import unsupported

MOST_SEGMENTS = 5_000
"""A phone's picture has a dozen, one with a depth map in its XMP some hundred."""
MOST_SCANS = 100
"""A progressive JPEG has about ten. A small file can hold thousands, each a pass over the whole picture."""
MOST_SCANNED_PX = 400_000_000
"""The most pixels that all scans of a picture of several scans may pass over; a core does so many in about a second."""
SCANS_OF_AN_ORDINARY_PICTURE = 12
MOST_STRAY_BYTES = 2**16
"""The most bytes between two segments that belong to none; behind so many, the picture is taken to have ended."""
END = b"\xff\xd9"

_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_NOT_READ = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_NOT_DATA = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_EXIF = b"Exif\0"
_ICC = b"ICC_PROFILE\0"


@dataclass(frozen=True)
class Component:
    """One channel of the picture: its id, and how often it is sampled across and down within a unit (MCU)."""

    name: int
    across: int
    down: int


@dataclass
class Scan:
    """One pass over the picture. header: where its parameters begin; start, end: its data without the marker behind."""

    header: int
    components: tuple[int, ...]
    first_coefficient: int
    start: int
    end: int
    restart_interval: int


@dataclass
class Jpeg:
    """What the segments of a JPEG say.

    header_end: where the first scan's segment begins; end: where the picture ends, after its end marker if
    `has_end`; exif: the first TIFF block; icc: a profile.
    """

    width: int = 0
    height: int = 0
    precision: int = 8
    progressive: bool = False
    components: tuple[Component, ...] = ()
    exif: bytes = b""
    icc: bytes = b""
    header_end: int = 0
    scans: list[Scan] = field(default_factory=list)
    end: int = 0
    has_end: bool = False
    is_cut: bool = False
    """The file ends within a segment."""
    stray: list[tuple[int, int]] = field(default_factory=list)
    """Where bytes stand between the segments that belong to none."""


def read_header(data: bytes) -> Jpeg:
    """Read the segments before the first scan.

    Raises InvalidArgument: NOT_AN_IMAGE without a frame, TOO_MANY_SEGMENTS; UNSUPPORTED_FORMAT for one of 12 bits.
    """
    walk = _Walk(data)
    walk.to_next_scan()
    jpeg = walk.jpeg
    if not jpeg.components:
        if jpeg.is_cut:
            raise InvalidArgument("NOT_AN_IMAGE", "the JPEG ends before its picture begins")
        raise InvalidArgument("NOT_AN_IMAGE", "the JPEG has no picture in it")
    return jpeg


def read_structure(data: bytes) -> Jpeg:
    """Read all segments and scans up to the picture's end marker, or to the end of the file where it has none.

    Raises InvalidArgument as `read_header` does, and TOO_MANY_SCANS.
    """
    walk = _Walk(data)
    while walk.to_next_scan():
        walk.over_scan()
    if not walk.jpeg.components:
        return read_header(data)
    return walk.jpeg


def check_scans(data: bytes, width: int, height: int) -> None:
    """Raise InvalidArgument(TOO_MANY_SCANS) if the scans of the picture would keep a core busy for long."""
    # What lies behind the picture is counted too; that costs nothing, and settles it for nearly every picture.
    if data.count(b"\xff\xda") <= SCANS_OF_AN_ORDINARY_PICTURE:
        return
    scans = len(read_structure(data).scans)
    allowed = max(SCANS_OF_AN_ORDINARY_PICTURE, min(MOST_SCANS, MOST_SCANNED_PX // max(1, width * height)))
    if scans > allowed:
        raise _too_many_scans(scans, allowed)


def restarts_missing(data: bytes, jpeg: Jpeg) -> bool:
    """Whether a scan of `jpeg` has fewer restart markers than its picture needs: its end is missing."""
    return any(
        len(_RESTART.findall(data, scan.start, scan.end)) < (_units(jpeg, scan) - 1) // scan.restart_interval
        for scan in jpeg.scans
        if scan.restart_interval
    )


def channels_missing(jpeg: Jpeg) -> bool:
    """Whether a channel was never sent."""
    sent = {name for scan in jpeg.scans if scan.first_coefficient == 0 for name in scan.components}
    return not {component.name for component in jpeg.components} <= sent


def _units(jpeg: Jpeg, scan: Scan) -> int:
    """How many units (MCUs) the scan has: of blocks of 8 pixels for one channel, of all channels together otherwise."""
    across = max(component.across for component in jpeg.components)
    down = max(component.down for component in jpeg.components)
    if len(scan.components) != 1:
        return _ceil(jpeg.width, 8 * across) * _ceil(jpeg.height, 8 * down)
    own = next((c for c in jpeg.components if c.name == scan.components[0]), Component(0, across, down))
    return _ceil(_ceil(jpeg.width * own.across, across), 8) * _ceil(_ceil(jpeg.height * own.down, down), 8)


def _ceil(value: int, by: int) -> int:
    return -(-value // max(1, by))


def _too_many_scans(scans: int, allowed: int) -> InvalidArgument:
    message = f"the JPEG has {scans:,} scans or more; a picture of its size may have {allowed}"
    return InvalidArgument("TOO_MANY_SCANS", message, {"scans": scans, "max_scans": allowed})


class _Walk:
    """Goes from segment to segment and notes what they say in `jpeg`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 2
        self._segments = 0
        self._restart_interval = 0
        self._icc: dict[int, bytes] = {}
        self.jpeg = Jpeg()

    def to_next_scan(self) -> bool:
        """Read the segments up to and including the next scan's header; False when the picture ends first."""
        while (found := _MARKER.search(self._data, self._at, self._at + MOST_STRAY_BYTES)) is not None:
            marker, begin = found[1][0], found.end()
            self._count()
            if found.start() > self._at:
                self.jpeg.stray.append((self._at, found.start()))
            if marker == 0xD9:
                return self._finish(begin, has_end=True)
            if marker in _ALONE:
                self._at = begin
                continue
            length = int.from_bytes(self._data[begin : begin + 2], "big")
            if length < 2 or begin + length > len(self._data):
                self.jpeg.is_cut = True
                break
            self._at = begin + length
            if marker == 0xDA:
                self.jpeg.header_end = self.jpeg.header_end or found.end() - 2
                return self._note_scan(begin + 2)
            self._note(marker, begin + 2, self._at)
        return self._finish(len(self._data), has_end=False)

    def over_scan(self) -> None:
        """Go over the data of the scan to the marker behind it."""
        found = _NOT_DATA.search(self._data, self._at)
        self._at = found.start() if found else len(self._data)
        self.jpeg.scans[-1].end = self._at

    def _count(self) -> None:
        self._segments += 1
        if self._segments > MOST_SEGMENTS:
            message = f"the JPEG has more than {MOST_SEGMENTS:,} segments"
            raise InvalidArgument("TOO_MANY_SEGMENTS", message, {"max_segments": MOST_SEGMENTS})

    def _finish(self, end: int, has_end: bool) -> bool:
        self.jpeg.end, self.jpeg.has_end = end, has_end
        self.jpeg.icc = b"".join(self._icc[number] for number in sorted(self._icc))
        return False

    def _note(self, marker: int, begin: int, end: int) -> None:
        data, jpeg = self._data, self.jpeg
        if marker in _SOF and not jpeg.components and end - begin >= 6:
            jpeg.precision = data[begin]
            if marker in _NOT_READ:
                raise unsupported("a lossless or hierarchical JPEG", "an ordinary one, or PNG")
            if jpeg.precision != 8:
                raise unsupported(f"a JPEG of {jpeg.precision} bits a channel", "one of 8 bits, or PNG")
            jpeg.height = int.from_bytes(data[begin + 1 : begin + 3], "big")
            jpeg.width = int.from_bytes(data[begin + 3 : begin + 5], "big")
            jpeg.progressive = marker in _PROGRESSIVE
            rows = data[begin + 6 : min(end, begin + 6 + 3 * data[begin + 5])]
            jpeg.components = tuple(
                Component(rows[i], rows[i + 1] >> 4, rows[i + 1] & 15) for i in range(0, len(rows) - 2, 3)
            )
        elif marker == 0xF7 and not jpeg.components:
            raise unsupported("JPEG-LS")
        elif marker == 0xDD and end - begin >= 2:
            self._restart_interval = int.from_bytes(data[begin : begin + 2], "big")
        elif marker == 0xE1 and data.startswith(_EXIF, begin, end):
            jpeg.exif = jpeg.exif or data[begin + 6 : end]
        elif marker == 0xE2 and data.startswith(_ICC, begin, end) and end - begin > 14:
            self._icc.setdefault(data[begin + 12], data[begin + 14 : end])

    def _note_scan(self, begin: int) -> bool:
        jpeg, data = self.jpeg, self._data
        if not jpeg.icc and self._icc:
            jpeg.icc = b"".join(self._icc[number] for number in sorted(self._icc))
        count = data[begin] if begin < self._at else 0
        names = tuple(data[begin + 1 + 2 * i] for i in range(count) if begin + 1 + 2 * i < self._at)
        first = data[begin + 1 + 2 * count] if begin + 1 + 2 * count < self._at else 0
        jpeg.scans.append(Scan(begin, names, first, self._at, self._at, self._restart_interval))
        if len(jpeg.scans) > MOST_SCANS:
            raise _too_many_scans(len(jpeg.scans), MOST_SCANS)
        return True
