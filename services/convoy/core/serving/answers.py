"""The memory of large answers: a call that will have one waits for room before the work, and keeps it until it is sent.

A picture of 1 kB may ask for a mask of 49 MB, and who asks may read it slowly.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from convoy.core.errors import InvalidArgument
from convoy.core.serving.room import Room

# An answer is in memory as a message and, while it is sent, once more as its bytes.
_COPIES = 2


class Answers:
    """Room for the answers of one server. most_message: bytes of the largest."""

    def __init__(self, most_message: int) -> None:
        self.most_message = most_message
        self.room = Room(2 * _COPIES * most_message)

    @contextmanager
    def of_call(self, who: str, connection: str) -> Iterator["CallAnswers"]:
        """Let `reserve` take room for the answers of a call until the block ends."""
        answers = CallAnswers(self, who, connection)
        before = _answers.get()
        _answers.set(answers)
        try:
            yield answers
        finally:
            # Not by reset: a stream that its caller leaves ends in a task of its own, with another context.
            _answers.set(before)
            answers.close()


class CallAnswers:
    """The answers of one call that are not sent yet.

    in_order: held while one takes room. Those of a stream are sent in order, so one must not wait for a later one.
    """

    def __init__(self, answers: Answers, who: str, connection: str) -> None:
        self._answers = answers
        self.most_message = answers.most_message
        self._who = who
        self._connection = connection
        self.in_order = asyncio.Lock()
        self.sizes: deque[int] = deque()
        self._is_over = False

    async def reserve(self, size: int) -> None:
        """Take room for an answer of so many bytes. Raises what `reserve` of this module raises."""
        if size > self.most_message:
            raise too_large(size, self.most_message)
        room = self._answers.room
        self.sizes.append(await room.take(self._who, self._connection, _COPIES * size))
        if self._is_over:
            self.close()

    def sent(self) -> None:
        """The oldest answer that took room is sent."""
        if self.sizes:
            self._answers.room.give(self._who, self.sizes.popleft())

    def close(self) -> None:
        """The call has ended. What still works for it keeps no room."""
        self._is_over = True
        while self.sizes:
            self.sent()


_answers: ContextVar[CallAnswers | None] = ContextVar("answers", default=None)


async def reserve(measure: Callable[[], Awaitable[int]]) -> None:
    """Take room for a large answer of the present call, before the work for it; outside of a call do nothing.

    measure: tells how many bytes it has. The answers of a stream take room in the order in which they ask for it.
    Raises InvalidArgument(ANSWER_TOO_LARGE), ResourceExhausted(MESSAGES_FULL).
    """
    if (answers := _answers.get()) is not None:
        async with answers.in_order:
            await answers.reserve(await measure())


def too_large(size: int, most: int) -> InvalidArgument:
    """The error for an answer that no message can hold."""
    message = f"the answer would have {size:,} bytes; a message may have {most:,}"
    facts = {"answer_bytes": size, "max_message_bytes": most}
    return InvalidArgument("ANSWER_TOO_LARGE", message, facts, hint="send fewer pictures in a call")
