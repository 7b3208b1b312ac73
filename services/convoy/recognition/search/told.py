"""When to speak of a trouble that lasts."""

LONGEST_SILENCE_S = 300.0


class Told:
    """When to speak of a trouble that lasts: when it changes, and else after pauses that double."""

    def __init__(self) -> None:
        self._cause: str | None = None
        self._next_s = self._pause_s = 0.0

    def is_due(self, cause: str, now_s: float) -> bool:
        """Whether to speak of it now, by time.monotonic's clock. If so, it counts as said."""
        if cause == self._cause and now_s < self._next_s:
            return False
        self._pause_s = min(2 * self._pause_s, LONGEST_SILENCE_S) if cause == self._cause else 1.0
        self._cause, self._next_s = cause, now_s + self._pause_s
        return True
