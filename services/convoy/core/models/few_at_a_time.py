"""Lets a few dear calls run at a time, each of which is as much work as hundreds of others."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

from convoy.core.errors import ResourceExhausted
from convoy.core.turns import current_turn, spread_s

PLACES = 2
"""Dear calls that a replica works on at a time."""
MOST_WAITING = 16
_RETRY_S = 1.0


class FewAtATime:
    """Lets a few calls of a replica run, and a few wait: half of these places for one caller.

    what: which calls, to complete the sentence "too many calls at once ...".
    """

    def __init__(self, what: str, places: int = PLACES, waiting: int = MOST_WAITING) -> None:
        self._what = what
        self._places = asyncio.Semaphore(places)
        self._most = places + waiting
        self._by: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def place(self, remaining_s: float | None) -> AsyncIterator[None]:
        """Wait for a place and keep it until the block ends. Raises ResourceExhausted(QUEUE_FULL)."""
        who = current_turn().who
        if self._by.total() >= self._most or self._by[who] >= max(1, self._most // 2):
            facts = {"queue_size": self._most}
            raise ResourceExhausted("QUEUE_FULL", f"too many calls at once {self._what}", spread_s(_RETRY_S), facts)
        self._by[who] += 1
        try:
            try:
                async with asyncio.timeout(remaining_s):
                    await self._places.acquire()
            except TimeoutError:
                raise ResourceExhausted("QUEUE_FULL", "no place was free in time", spread_s(_RETRY_S)) from None
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._by[who] -= 1
            if not self._by[who]:
                del self._by[who]
