"""The memory of large answers: a call that will have one waits for room before the work, and keeps it until it is sent.

A picture of 1 kB may ask for a mask of 49 MB, and who asks may read it slowly.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from convoy.core.errors import InvalidArgument
from convoy.core.models.budget import BYTES_A_PIXEL, PixelBudget
from convoy.core.serving.room import LONGEST_WAIT_S, Room, full

# An answer is in memory as a message and, while it is sent, once more as its bytes.
_COPIES = 2


class Answers:
    """Room for the answers of one server. most_message: bytes of the largest."""

    def __init__(self, most_message: int) -> None:
        self.most_message = most_message
        self.room = Room(2 * _COPIES * most_message)

    @contextmanager
    def of_call(
        self, who: str, connection: str, patience_s: Callable[[], float] = lambda: LONGEST_WAIT_S
    ) -> Iterator["CallAnswers"]:
        """Let `reserve` take room for the answers of a call until the block ends.

        patience_s: tells how long it may wait for that.
        """
        answers = CallAnswers(self, who, connection, patience_s)
        before = _answers.get()
        _answers.set(answers)
        try:
            yield answers
        finally:
            # Not by reset: a stream that its caller leaves ends in a task of its own, with another context.
            _answers.set(before)
            answers.close()


class Place:
    """Where one answer of a stream stands among the others.

    size: bytes of room that it holds; pixels: the budget in which these count too.

    Answers are sent in order, so they take room in order: one that took it first would wait to be sent behind one that
    waits for the same room. The one before passes when it has taken room, or ends without.
    """

    def __init__(self, before: "Place | None" = None) -> None:
        self.passed: asyncio.Event = asyncio.Event()
        self._before: asyncio.Event | None = before.passed if before else None
        self.size = 0
        self.pixels: PixelBudget | None = None

    async def wait(self) -> None:
        """Wait until the one before has passed."""
        if self._before is not None:
            await self._before.wait()
            self._before = None


class CallAnswers:
    """The answers of one call that are not sent yet."""

    def __init__(self, answers: Answers, who: str, connection: str, patience_s: Callable[[], float]) -> None:
        self._answers = answers
        self.most_message = answers.most_message
        self._who = who
        self._connection = connection
        self._patience_s = patience_s
        self._places: deque[Place] = deque()
        self._is_over = False

    def append(self) -> Place:
        """Give the next answer its place."""
        place = Place(self._places[-1] if self._places else None)
        self._places.append(place)
        return place

    async def reserve(self, place: Place, size: int, pixels: PixelBudget | None) -> None:
        """Take room for an answer of so many bytes. Raises what `reserve` of this module raises."""
        if size > self.most_message:
            raise too_large(size, self.most_message)
        room = self._answers.room
        taken = await room.take(self._who, self._connection, _COPIES * size, self._patience_s())
        if pixels is not None:
            try:
                async with asyncio.timeout(self._patience_s()):
                    await pixels.keep(_as_pixels(taken))
            except BaseException as error:
                room.give(self._who, taken)
                if isinstance(error, TimeoutError):
                    raise full(room.most) from None
                raise
        place.size, place.pixels = taken, pixels
        if self._is_over:
            self._give(place, 0)

    def settle(self, place: Place, size: int) -> None:
        """The answer is there and has so many bytes: give back the room that it does not need."""
        self._give(place, min(place.size, _COPIES * size))

    def sent(self) -> None:
        """The oldest answer is sent."""
        if self._places:
            self._give(self._places.popleft(), 0)

    def close(self) -> None:
        """The call has ended. What still works for it keeps no room."""
        self._is_over = True
        while self._places:
            self.sent()

    def _give(self, place: Place, left: int) -> None:
        before, place.size = place.size, left
        if before == left:
            return
        self._answers.room.give(self._who, before - left)
        if place.pixels is not None:
            place.pixels.let_go(_as_pixels(before) - _as_pixels(left))


def _as_pixels(size: int) -> int:
    return -(-size // BYTES_A_PIXEL)


_answers: ContextVar[CallAnswers | None] = ContextVar("answers", default=None)
_place: ContextVar[Place | None] = ContextVar("place", default=None)


def next_place() -> Place:
    """The place of the next answer of the present stream. Ask in the order in which the requests came."""
    answers = _answers.get()
    return Place() if answers is None else answers.append()


@contextmanager
def at(place: Place) -> Iterator[None]:
    """Let what runs in this block, in a task of its own, make the answer of this place."""
    _place.set(place)
    try:
        yield
    finally:
        place.passed.set()


async def reserve(measure: Callable[[], Awaitable[int]], pixels: PixelBudget | None = None) -> None:
    """Take room for a large answer of the present call, before the work for it; outside of a call do nothing.

    measure: tells how many bytes it has; pixels: the budget of pictures in work, of which it takes a part. The answers
    of a stream take room in the order in which they are sent.
    Raises InvalidArgument(ANSWER_TOO_LARGE), ResourceExhausted(MESSAGES_FULL).
    """
    if (answers := _answers.get()) is None:
        return
    if (place := _place.get()) is None:
        place = answers.append()
        _place.set(place)
    await place.wait()
    await answers.reserve(place, await measure(), pixels)
    place.passed.set()


def settle(size: int) -> None:
    """The present answer is made and has so many bytes: give back what was taken for more."""
    if (answers := _answers.get()) is not None and (place := _place.get()) is not None:
        answers.settle(place, size)


def too_large(size: int, most: int) -> InvalidArgument:
    """The error for an answer that no message can hold."""
    message = f"the answer would have {size:,} bytes; a message may have {most:,}"
    facts = {"answer_bytes": size, "max_message_bytes": most}
    return InvalidArgument("ANSWER_TOO_LARGE", message, facts, hint="send fewer pictures in a call")
