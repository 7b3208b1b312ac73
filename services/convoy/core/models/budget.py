"""Limits the pixels that a process holds at a time: 50 megapixels take 150 MB, however small the file is."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class PixelBudget:
    """Allows at most `most` pixels at a time, first come, first served. A larger picture runs alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, pixels: int) -> AsyncIterator[None]:
        """Wait until so many pixels are free, then reserve them until the block ends."""
        pixels = min(pixels, self._most)
        if self._waiting or self._used + pixels > self._most:
            await self._turn(pixels)
        else:
            self._used += pixels
        try:
            yield
        finally:
            self._give_back(pixels)

    async def _turn(self, pixels: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, turn))
        try:
            await turn
        except asyncio.CancelledError:
            # The caller gave up while it waited, or just as its turn came.
            self._give_back(0 if turn.cancelled() else pixels)
            raise

    def _give_back(self, pixels: int) -> None:
        self._used -= pixels
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done():
                if self._used + wanted > self._most:
                    return
                self._used += wanted
                turn.set_result(None)
            self._waiting.popleft()
