"""Keeps one process alive."""

import time
from collections.abc import Callable

from convoy.fleet.process import Process

PAUSES_S = (1.0, 30.0)
QUIET_S = 60.0


class Keeper:
    """Starts a process anew after a pause that doubles with every end, and is short again once it ran for a minute.

    process: as it runs now; start: starts it anew; tell: hears in a sentence how it ended and when it comes back.
    """

    def __init__(self, process: Process, start: Callable[[], Process], tell: Callable[[str], None]) -> None:
        self.process = process
        self._start = start
        self._tell = tell
        self._pause_s = PAUSES_S[0]
        self._started_at = time.monotonic()
        self._again_at: float | None = None

    def look(self) -> None:
        """Start it when it has ended and the pause is over; returns at once."""
        now = time.monotonic()
        if self._again_at is not None:
            if now >= self._again_at:
                self.process, self._started_at, self._again_at = self._start(), now, None
            return
        how = self.process.ending()
        if how is None:
            return
        self.process.clear()
        if now - self._started_at > QUIET_S:
            self._pause_s = PAUSES_S[0]
        self._tell(f"{self.process.name} {how}; started anew in {self._pause_s:.0f} s (log: {self.process.log_path})")
        self._again_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, PAUSES_S[1])
