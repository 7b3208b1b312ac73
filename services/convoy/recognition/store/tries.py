"""Tries again when somebody else was faster."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from convoy.core.errors import Unavailable
from convoy.recognition.store.base import Conflict

Result = TypeVar("Result")
TRIES = 20


async def tried_again(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Read, decide and write again until nobody comes between. Raises Unavailable(STORE_CONTENDED) after 20 tries."""
    for _ in range(TRIES):
        try:
            return await attempt()
        except Conflict:
            continue
    raise Unavailable("STORE_CONTENDED", "many callers change this record at once; try again")
