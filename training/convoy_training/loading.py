"""Ctrl-C while a command loads its libraries, which takes seconds, ends it without a traceback."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from convoy_training.errors import INTERRUPTED


@contextmanager
def loading() -> Iterator[None]:
    """Around imports: an interrupt ends the process at once, and quietly."""
    if threading.current_thread() is not threading.main_thread():  # which alone may take signals
        yield
        return
    before = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(*_: Any) -> None:
    os._exit(INTERRUPTED)
