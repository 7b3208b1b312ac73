"""How many photos of a person go into one request."""

PHOTOS_AT_ONCE = 8
MOST_BYTES = 32 << 20


class Room:
    """What still fits into a request."""

    def __init__(self) -> None:
        self._photos = self._bytes = 0

    def takes(self, size: int) -> bool:
        """Whether a photo of so many bytes still goes in. The first always does."""
        return not self._photos or (self._photos < PHOTOS_AT_ONCE and self._bytes + size <= MOST_BYTES)

    def put(self, size: int) -> None:
        """Note a photo."""
        self._photos += 1
        self._bytes += size
