"""The bound on the parts of a file."""

from convoy.core.errors import InvalidArgument

MOST_PARTS = 65_536
"""Chunks, blocks or strips; a picture of 16 MiB written in pieces of 256 bytes has so many."""
MOST_BOXES = 2_000


class Parts:
    """Counts the parts of a file."""

    def __init__(self, format_name: str, called: str, most: int = MOST_PARTS) -> None:
        self._format_name = format_name
        self._called = called
        self._most = most
        self._count = 0

    def more(self, count: int = 1) -> None:
        """Note more parts. Raises InvalidArgument(TOO_MANY_SEGMENTS)."""
        self._count += count
        if self._count > self._most:
            message = f"the {self._format_name} has more than {self._most:,} {self._called}"
            raise InvalidArgument("TOO_MANY_SEGMENTS", message, {"max_segments": self._most})
