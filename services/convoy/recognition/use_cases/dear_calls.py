"""Dear calls read much of the store at once. They have a small queue of their own, so that many hold up nobody else."""

import contextlib
from collections.abc import AsyncIterator
from typing import TypeVar

from convoy.core.models.few_at_a_time import MOST_WAITING, PLACES, FewAtATime
from convoy.recognition.domain.caller import current_call

_WHAT = "read much of a gallery (verify, duplicates, disagreements, export, audit)"
Part = TypeVar("Part")


class DearCalls:
    """Lets a few dear calls of a replica run, and a few wait: half of these places for one caller."""

    def __init__(self, places: int = PLACES, waiting: int = MOST_WAITING) -> None:
        self._few = FewAtATime(_WHAT, places, waiting)

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and keep it until the block ends. Raises ResourceExhausted(QUEUE_FULL)."""
        async with self._few.place(current_call().remaining_s()):
            yield

    async def each(self, parts: AsyncIterator[Part]) -> AsyncIterator[Part]:
        """Give a dear stream's parts. It has a place while it reads a part, and none while its caller takes it."""
        while True:
            async with self.place():
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    return
            yield part
