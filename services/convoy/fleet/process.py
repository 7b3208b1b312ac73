"""One child process with its log file."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from convoy.core.errors import Unavailable

LOG_TAIL = 5


class Process:
    """A command that runs until it is stopped. Its output goes to `log_path`.

    It has a process group of its own, so that Ctrl-C reaches us alone and we decide who stops when. It is on
    a leash: the end of its standard input asks it to stop, so that it stops too when we are killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log_path = log_path
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            self._offset = log.tell()
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "convoy.fleet.orphan_guard", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | dict(environment or {}),
                pass_fds=keep_open,
                process_group=0,
            )

    def check(self) -> None:
        """Raise Unavailable(PROCESS_ENDED) with the last lines of the log unless it runs."""
        how = self.ending()
        if how is not None:
            message = f"{self.name} {how}; its log {self.log_path} ends with:\n{self.tail()}"
            raise Unavailable("PROCESS_ENDED", message, {"process": self.name, "status": self._popen.returncode})

    def ending(self) -> str | None:
        """How it has ended, in words that go on from its name; None while it runs."""
        status = self._popen.poll()
        if status is None:
            return None
        number = -status if status < 0 else status - 128
        if number not in {one.value for one in signal.Signals}:
            return f"ended by itself with status {status}"
        hint = ", as the system does when memory runs out" if number == signal.SIGKILL else ""
        return f"was ended by {signal.Signals(number).name}{hint}"

    def clear(self) -> None:
        """End what an ended process may have left behind: its leash can die alone."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def tail(self) -> str:
        """The last lines that it wrote."""
        with self.log_path.open("rb") as log:
            log.seek(self._offset)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL:])

    def ask_to_stop(self) -> None:
        """End its standard input; a service drains."""
        if self._popen.stdin is not None:
            self._popen.stdin.close()

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended; kill it when that takes too long."""
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
