"""Starts `convoy-train`: it loads what takes seconds to load, and Ctrl-C meanwhile ends it without a traceback."""

from __future__ import annotations

import os
import signal
from typing import Any

from convoy_training.errors import INTERRUPTED


def main() -> None:
    """Runs the command."""
    signal.signal(signal.SIGINT, _leave)
    from convoy_training.cli import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _leave(*_: Any) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
