"""Ends work on a picture that nobody waits for any longer: its caller's time is over, or its caller hung up.

A decoder cannot be interrupted from outside. So decoders call `check` between the pieces of their work: reads of the
file, strips of rows, passes over a JPEG. A piece takes less than a second of a core; that is what other limits are for.
"""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from convoy.core.errors import DeadlineExceeded


class Wanted:
    """Whether somebody still waits for a piece of work. deadline: on time.monotonic's clock."""

    def __init__(self, deadline: float | None = None) -> None:
        self._deadline = deadline
        self._given_up = False

    def give_up(self) -> None:
        """Nobody waits any longer. May be called from any thread."""
        self._given_up = True

    def check(self) -> None:
        """Raise DeadlineExceeded if nobody waits any longer."""
        if self._given_up or (self._deadline is not None and time.monotonic() >= self._deadline):
            raise DeadlineExceeded("DEADLINE_EXCEEDED", "the deadline passed before the picture was decoded")


_current: ContextVar[Wanted | None] = ContextVar("wanted", default=None)


@contextmanager
def while_wanted(wanted: Wanted) -> Iterator[None]:
    """Within the block, `check` of this thread or task asks `wanted`."""
    token = _current.set(wanted)
    try:
        yield
    finally:
        _current.reset(token)


def check() -> None:
    """Raise DeadlineExceeded if nobody waits any longer for what this thread does."""
    if (wanted := _current.get()) is not None:
        wanted.check()


class Reader(io.BytesIO):
    """A file in memory that a decoder reads piece by piece, and no further once nobody waits."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as a file does. Raises DeadlineExceeded."""
        check()
        return super().read(size)
