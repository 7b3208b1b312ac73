"""Dear calls read much of the store at once. They have a small queue of their own, so that many hold up nobody else."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import TypeVar

from convoy.core.errors import ResourceExhausted
from convoy.core.turns import current_turn, spread_s
from convoy.recognition.domain.caller import current_call

PLACES = 2
"""Dear calls that a replica works on at a time."""
MOST_WAITING = 16
_RETRY_S = 1.0
Part = TypeVar("Part")


class DearCalls:
    """Lets a few dear calls of a replica run, and a few wait: half of these places for one caller."""

    def __init__(self, places: int = PLACES, waiting: int = MOST_WAITING) -> None:
        self._places = asyncio.Semaphore(places)
        self._most = places + waiting
        self._by: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and keep it until the block ends. Raises ResourceExhausted(QUEUE_FULL)."""
        who = current_turn().who
        if self._by.total() >= self._most or self._by[who] >= max(1, self._most // 2):
            facts = {"queue_size": self._most}
            message = "too many calls at once read much of a gallery (verify, duplicates, disagreements, export, audit)"
            raise ResourceExhausted("QUEUE_FULL", message, spread_s(_RETRY_S), facts)
        self._by[who] += 1
        try:
            try:
                async with asyncio.timeout(current_call().remaining_s()):
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

    async def each(self, parts: AsyncIterator[Part]) -> AsyncIterator[Part]:
        """Give a dear stream's parts. It has a place while it reads a part, and none while its caller takes it."""
        while True:
            async with self.place():
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    return
            yield part
