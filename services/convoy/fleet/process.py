"""One child process with its log file: started, watched, stopped."""

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

    It has a process group of its own: Ctrl-C reaches only this process, which then decides who stops when. It runs
    under the orphan guard, which stops it when its standard input ends, and so also when this process is killed.
    environment: variables beside those of this process; keep_open: open files that the command inherits;
    defaults: variables for those that this process has not.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
        defaults: Mapping[str, str] | None = None,
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
                env=dict(defaults or {}) | os.environ | dict(environment or {}),
                pass_fds=keep_open,
                process_group=0,
            )

    def check(self) -> None:
        """Raise Unavailable(PROCESS_ENDED), with the last lines of the log, if the process has ended."""
        ending = self.ending()
        if ending is not None:
            message = f"{self.name} {ending}; its log {self.log_path} ends with:\n{self.tail()}"
            raise Unavailable("PROCESS_ENDED", message, {"process": self.name, "status": self._popen.returncode})

    def ending(self) -> str | None:
        """How the process ended, as the rest of a sentence that starts with its name; None while it runs."""
        status = self._popen.poll()
        if status is None:
            return None
        number = -status if status < 0 else status - 128
        if number not in {one.value for one in signal.Signals}:
            return f"ended by itself with status {status}"
        hint = ", as the system does when memory runs out" if number == signal.SIGKILL else ""
        return f"was ended by {signal.Signals(number).name}{hint}"

    def kill_what_is_left(self) -> None:
        """Kill the command if its orphan guard died alone."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def tail(self) -> str:
        """The last lines that the process wrote."""
        with self.log_path.open("rb") as log:
            log.seek(self._offset)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL:])

    def ask_to_stop(self) -> None:
        """End the standard input of the process; a service then drains."""
        if self._popen.stdin is not None:
            self._popen.stdin.close()

    def wait(self, timeout_s: float) -> None:
        """Wait until the process has ended; kill it after `timeout_s`."""
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
