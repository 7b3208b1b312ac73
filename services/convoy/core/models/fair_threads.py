"""Does work in threads, of which callers take turns: a flood of pictures to decode keeps no other picture waiting."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from convoy.core.models.fair_queue import FairQueue
from convoy.core.models.shares import PromptThreads
from convoy.core.turns import current_turn

Value = TypeVar("Value")


@dataclass(eq=False, slots=True)
class _Piece:
    """One piece of work. ended: somebody who has given up waits for its end."""

    work: Callable[[], Any]
    done: "asyncio.Future[Any]"
    is_running: bool = False
    is_prompt: bool = False
    ended: "asyncio.Future[None] | None" = None


class FairThreads:
    """Runs so many pieces of work at a time in an executor, and some in prompt threads beside it."""

    def __init__(self, executor: Executor, at_a_time: int, prompt: PromptThreads) -> None:
        self._executor = executor
        self._at_a_time = at_a_time
        self._prompt = prompt
        self._waiting: FairQueue[_Piece] = FairQueue()
        self._running = 0

    async def run(
        self, work: Callable[..., Value], *arguments: object, given_up: Callable[[], None] = lambda: None
    ) -> Value:
        """Do `work` in a thread and return what it returns.

        A caller who gives up while it runs still waits for its end: what is held for the work, such as room for
        pixels, is held until no thread uses it any more. given_up: told first, so that the work may end early.
        """
        turn, loop = current_turn(), asyncio.get_running_loop()
        # The thread runs in the call's context, so that its spans and log lines belong to the call.
        piece = _Piece(partial(contextvars.copy_context().run, work, *arguments), loop.create_future())
        self._waiting.push(turn, piece)
        with self._prompt.shares.in_work(turn.who):
            self._start()
            try:
                value: Value = await piece.done
            except asyncio.CancelledError:
                given_up()
                await _end_of(piece)
                raise
            return value

    def _start(self) -> None:
        while self._waiting and (piece := self._waiting.pop(whose=self._prompt.may_start)) is not None:
            self._begin(piece, is_prompt=True)
        while self._waiting and self._running < self._at_a_time and (piece := self._waiting.pop()) is not None:
            self._begin(piece, is_prompt=False)

    def _begin(self, piece: _Piece, is_prompt: bool) -> None:
        if piece.done.done():
            return
        piece.is_running, piece.is_prompt = True, is_prompt
        loop = asyncio.get_running_loop()
        if is_prompt:
            self._prompt.submit(self._work, loop, piece)
        else:
            self._running += 1
            self._executor.submit(self._work, loop, piece)

    def _work(self, loop: asyncio.AbstractEventLoop, piece: _Piece) -> None:
        """Do the work in a thread, unless its caller has given up meanwhile."""
        value, error = None, None
        if not piece.done.done():
            try:
                value = piece.work()
            except BaseException as raised:
                error = raised
        loop.call_soon_threadsafe(self._finish, piece, value, error)

    def _finish(self, piece: _Piece, value: Any, error: BaseException | None) -> None:
        if piece.is_prompt:
            self._prompt.end()
        else:
            self._running -= 1
        piece.is_running = False
        if piece.ended is not None:
            piece.ended.set_result(None)
        elif not piece.done.done():
            if error is not None:
                piece.done.set_exception(error)
            else:
                piece.done.set_result(value)
        self._start()


async def _end_of(piece: _Piece) -> None:
    """Wait until no thread works on the piece, however often the caller is told to give up."""
    if not piece.is_running:
        return
    piece.ended = asyncio.get_running_loop().create_future()
    while not piece.ended.done():
        try:
            await asyncio.shield(piece.ended)
        except asyncio.CancelledError:
            continue
