"""Limits the pixels that a process holds at a time: 50 megapixels take 150 MB, however small the file is.

Decoded pictures, masks, and large answers until they are sent count together.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from convoy.core.turns import current_turn

BYTES_A_PIXEL = 3


class _Waiter(NamedTuple):
    pixels: int
    turn: "asyncio.Future[None]"


class PixelBudget:
    """Allows at most `most` pixels at a time. A larger picture runs alone. Callers take turns, each one's in order.

    A caller who has no pixels here may take half of `most` beyond it, so that nobody waits for another one's pictures.
    Answers are kept beside pictures. A call takes room for its answer first, and its pictures wait for no answer where
    none is in work, so that calls cannot wait for one another without end.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._by: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self._kept = 0
        self._keepers: deque[_Waiter] = deque()

    @property
    def kept(self) -> int:
        """The pixels of answers that are not sent yet."""
        return self._kept

    async def keep(self, pixels: int) -> None:
        """Wait until so many pixels are free beside the pictures in work, then count them until `let_go`.

        Where no picture is in work they are counted at once: what bounds answers alone is for the caller to do.
        """
        if not self._used or not (self._keepers or self._is_full(pixels)):
            self._kept += pixels
            return
        waiter = _Waiter(pixels, asyncio.get_running_loop().create_future())
        self._keepers.append(waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._keepers:
                self._keepers.remove(waiter)
                self._let_all_in()
            else:
                self.let_go(pixels)
            raise

    def let_go(self, pixels: int) -> None:
        """Give back what `keep` has counted, or a part of it."""
        self._kept -= pixels
        self._let_all_in()

    def _is_full(self, pixels: int) -> bool:
        return self._used + self._kept + pixels > self._most

    @asynccontextmanager
    async def taken(self, pixels: int) -> AsyncIterator[None]:
        """Wait until so many pixels are free, then reserve them until the block ends."""
        who, pixels = current_turn().who, min(pixels, self._most)
        if not pixels:
            yield
            return
        if self._may_start(who, pixels):
            self._take(who, pixels)
        else:
            await self._turn(who, pixels)
        try:
            yield
        finally:
            self._give_back(who, pixels)

    def _may_start(self, who: str, pixels: int) -> bool:
        if who in self._waiting or not self._fits(who, pixels):
            return False
        # Nobody overtakes a caller who has nothing; whoever has nothing overtakes those who have some.
        return not self._waiting or (not self._by[who] and all(self._by[other] for other in self._waiting))

    def _fits(self, who: str, pixels: int) -> bool:
        # Where nobody has any, the first one fits by itself.
        if not self._used:
            return True
        most = self._most if self._by[who] else self._most * 3 // 2
        most = most if self._used > self._by[who] else self._most
        # Who waits for room for an answer gets it before more pictures begin.
        return not self._keepers and self._used + self._kept + pixels <= most

    def _take(self, who: str, pixels: int) -> None:
        self._used += pixels
        self._by[who] += pixels

    async def _turn(self, who: str, pixels: int) -> None:
        waiter = _Waiter(pixels, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(who, deque()).append(waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            # The caller gave up while it waited, or just as its turn came.
            self._give_back(who, 0 if waiter.turn.cancelled() else pixels)
            raise

    def _give_back(self, who: str, pixels: int) -> None:
        self._used -= pixels
        self._by[who] -= pixels
        if self._by[who] <= 0:
            del self._by[who]
        self._let_all_in()

    def _let_all_in(self) -> None:
        while self._keepers and not (self._used and self._is_full(self._keepers[0].pixels)):
            keeper = self._keepers.popleft()
            self._kept += keeper.pixels
            keeper.turn.set_result(None)
        is_moving = bool(self._waiting)
        while is_moving:
            is_moving = False
            for other in list(self._waiting):
                is_moving |= self._let_in(other)
                if other in self._waiting and not self._by[other]:
                    return

    def _let_in(self, who: str) -> bool:
        """Give the caller a turn, if the next picture fits, and then the others theirs."""
        waiters, let_in = self._waiting[who], False
        while waiters and waiters[0].turn.done():
            waiters.popleft()
        if waiters and self._fits(who, waiters[0].pixels):
            waiter = waiters.popleft()
            self._take(who, waiter.pixels)
            waiter.turn.set_result(None)
            self._waiting.move_to_end(who)
            let_in = True
        if not waiters:
            del self._waiting[who]
        return let_in
