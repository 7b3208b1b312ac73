"""Inflates compressed messages, up to a limit: gRPC itself inflates first and asks for the size afterwards."""

import zlib

from convoy.core.errors import InvalidArgument

GZIP = b"\x1f\x8b"
"""How gzip begins. No message of protobuf does: field 3 of a wire type that does not exist."""
_DEFLATE = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def inflate(content: bytes, most: int) -> bytes:
    """Return the message itself, whether it came compressed (gzip, deflate) or not.

    Raises InvalidArgument(MESSAGE_TOO_LARGE) when it has more than `most` bytes.
    """
    start = content[:2]
    if start == GZIP:
        return _inflated(content, zlib.decompressobj(16 + zlib.MAX_WBITS), most) or content
    if start in _DEFLATE:
        # Such bytes could also begin a message that is not compressed. Then they do not end as deflate does.
        return _inflated(content, zlib.decompressobj(), most) or content
    return content


def is_compressed(content: bytes) -> bool:
    """Whether `inflate` would look into the bytes."""
    return content[:2] == GZIP or content[:2] in _DEFLATE


def _inflated(content: bytes, inflator: "zlib._Decompress", most: int) -> bytes | None:
    """The inflated bytes; None when they are not whole, or something follows them."""
    try:
        inflated = inflator.decompress(content, most + 1)
    except zlib.error:
        return None
    if len(inflated) > most:
        raise too_large(most)
    return inflated if inflator.eof and not inflator.unused_data else None


def too_large(most: int) -> InvalidArgument:
    """The error for a message of more bytes than it may have."""
    facts = {"max_message_bytes": most}
    message = f"the message has more than {most:,} bytes"
    return InvalidArgument("MESSAGE_TOO_LARGE", message, facts, hint="send less in a call")
