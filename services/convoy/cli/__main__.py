"""Starts the command `convoy`, also as `python -m convoy.cli`. Ctrl-C while it loads ends it without a traceback."""

import os
import signal
from typing import Any

from convoy.cli import INTERRUPTED


def main() -> None:
    """Run the command."""
    before = signal.signal(signal.SIGINT, _leave)
    from convoy.cli.app import app

    signal.signal(signal.SIGINT, before)
    app()


def _leave(*_: Any) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
