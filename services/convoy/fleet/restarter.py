"""Restarts one process whenever it ends by itself."""

import time
from collections.abc import Callable

from convoy.fleet.process import Process

PAUSES_S = (1.0, 30.0)
QUIET_S = 60.0


class Restarter:
    """Restarts a process after a pause. The pause doubles with every end, and is short again after a minute of running.

    process: the one that runs now; start: starts the next one; tell: called with a sentence on how a process ended.
    """

    def __init__(self, process: Process, start: Callable[[], Process], tell: Callable[[str], None]) -> None:
        self.process = process
        self._start = start
        self._tell = tell
        self._pause_s = PAUSES_S[0]
        self._started_at = time.monotonic()
        self._restart_at: float | None = None

    def restart_if_ended(self) -> None:
        """Restart the process if it has ended and the pause is over. Returns at once; call it again and again."""
        now = time.monotonic()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self.process, self._started_at, self._restart_at = self._start(), now, None
            return
        ending = self.process.ending()
        if ending is not None:
            self._plan_restart(ending, now)

    def _plan_restart(self, ending: str, now: float) -> None:
        self.process.kill_what_is_left()
        if now - self._started_at > QUIET_S:
            self._pause_s = PAUSES_S[0]
        self._tell(f"{self.process.name} {ending}; it restarts in {self._pause_s:.0f} s (log: {self.process.log_path})")
        self._restart_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, PAUSES_S[1])
