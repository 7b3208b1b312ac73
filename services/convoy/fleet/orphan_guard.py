"""`python -m convoy.fleet.orphan_guard COMMAND...` runs a command until standard input ends, then sends it SIGTERM.

So a child process stops when its parent closes the pipe, and also when the parent was killed and could not.
"""

import os
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Run it; gives its exit status, and 128 + n where signal n ended it, as a shell does."""
    # Open files are passed on: one of them may be a lock that the command is to hold.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    threading.Thread(target=_stop_when_stdin_ends, args=(child,), daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


def _stop_when_stdin_ends(child: "subprocess.Popen[bytes]") -> None:
    # Unbuffered: a thread inside a buffered read would make Python abort when the command ends first.
    while os.read(0, 4096):
        pass
    child.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
