"""`python -m convoy.fleet.orphan_guard COMMAND...` runs a command, and stops it once nobody is left who started it.

The parent holds the other end of this process's standard input. When the parent closes it, or is killed, standard
input ends and the command gets SIGTERM.
"""

import os
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Run the command and return its exit status, or 128 + n if signal n ended it, as a shell does."""
    # The command inherits open files: one of them may be a lock that it must hold.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    threading.Thread(target=_stop_when_stdin_ends, args=(child,), daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


def _stop_when_stdin_ends(child: "subprocess.Popen[bytes]") -> None:
    # Read without a buffer: Python aborts at exit if a thread is inside a buffered read.
    while os.read(0, 4096):
        pass
    child.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
