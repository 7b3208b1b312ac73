"""Tries again when somebody else was faster, in order of arrival."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from convoy.core.errors import Unavailable
from convoy.recognition.domain.caller import current_call
from convoy.recognition.store.base import Conflict

Result = TypeVar("Result")
# Other replicas have no place in this process's line: between two tries they get so much time, at random.
LONGEST_PAUSE_S = 0.05


class Turns:
    """Who writes to a gallery next. While nobody's write meets another one, nobody waits.

    Whoever meets one lines up, and so does everybody who comes after: the first in line has no rival in this process.
    """

    def __init__(self) -> None:
        self._lines: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, int] = {}

    async def tried_again(self, gallery: str, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Read, decide and write again until nobody comes between.

        Raises Unavailable(STORE_CONTENDED) when the caller's time is over.
        """
        if gallery not in self._lines:
            try:
                return await attempt()
            except Conflict:
                pass
        line = self._lines.setdefault(gallery, asyncio.Lock())
        self._waiting[gallery] = self._waiting.get(gallery, 0) + 1
        try:
            return await self._in_turn(line, attempt)
        finally:
            self._waiting[gallery] -= 1
            if not self._waiting[gallery]:
                del self._lines[gallery], self._waiting[gallery]

    @staticmethod
    async def _in_turn(line: asyncio.Lock, attempt: Callable[[], Awaitable[Result]]) -> Result:
        try:
            async with asyncio.timeout(current_call().patience_s()):
                await line.acquire()
        except TimeoutError:
            raise _contended() from None
        try:
            while True:
                try:
                    return await attempt()
                except Conflict:
                    if current_call().patience_s() <= LONGEST_PAUSE_S:
                        raise _contended() from None
                await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_S))
        finally:
            line.release()


def _contended() -> Unavailable:
    return Unavailable("STORE_CONTENDED", "many callers change this record at once; try again, with more time")
