"""WebP: the size, read before a decoder reserves memory for it. Source: RFC 9649, 2.5 to 2.7."""

from convoy.core.errors import InvalidArgument


def canvas_size(data: bytes) -> tuple[int, int]:
    """Width and height. Raises InvalidArgument(NOT_AN_IMAGE)."""
    name, body = data[12:16], data[20:30]
    if len(body) == 10:
        if name == b"VP8X":
            return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        if name == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
            return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
        if name == b"VP8L" and body[0] == 0x2F:
            bits = int.from_bytes(body[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise InvalidArgument("NOT_AN_IMAGE", "the header of the WebP file makes no sense")
