"""BMP: bounds the run-length coded kinds, which Pillow decodes slowly. Source: [MS-WMF], 2.2.2."""

from convoy.core.errors import InvalidArgument

_RUN_LENGTH_CODED = frozenset({1, 2})
MOST_RUN_LENGTH_BYTES = 2**20


def check(data: bytes) -> None:
    """Raise InvalidArgument(IMAGE_TOO_LARGE) for a large run-length coded picture."""
    is_coded = data[14:15] >= b"\x28" and int.from_bytes(data[30:34], "little") in _RUN_LENGTH_CODED
    if is_coded and len(data) > MOST_RUN_LENGTH_BYTES:
        facts = {"bytes": len(data), "max_bytes": MOST_RUN_LENGTH_BYTES}
        message = f"a run-length coded BMP may have {MOST_RUN_LENGTH_BYTES:,} bytes; send it as PNG"
        raise InvalidArgument("IMAGE_TOO_LARGE", message, facts)
