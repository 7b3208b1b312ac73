"""The memory that bodies and drawn pictures take: each finds room before it is read, as messages do in a service."""

from collections.abc import Callable

from starlette.types import Scope

from convoy.core.machine import memory_limit
from convoy.core.pictures.decoding import Limits
from convoy.core.serving.receiving import COPIES, default_budget
from convoy.core.serving.room import Room

SCOPE_KEY = "convoy.holding"
DRAWN_BYTES = 12
"""What a pixel takes while it is drawn upon: as decoded, as a copy, as painted, and as a file."""
PATIENCE_S = 5.0
"""How long a body waits for room before it is refused; less than after which a silent client is."""


def make_room(most_body: int, budget: int | None) -> Room:
    """Room for the bodies of all requests, in bytes; at least for two of the largest.

    budget: memory for them and their copies in bytes; None for the share that a service gives its messages.
    """
    memory = default_budget(memory_limit(), most_body) if budget is None else budget
    return Room(max(memory // COPIES, 2 * most_body))


def make_drawing_room(limits: Limits, budget: int | None) -> Room:
    """Room for the pictures that are drawn upon at a time, in bytes; at least for one of the largest."""
    largest = limits.max_pixels * DRAWN_BYTES
    memory = default_budget(memory_limit(), largest) if budget is None else budget
    return Room(max(memory // 2, largest))


class Holding:
    """What one request holds, until it is answered. who: the client; one has at most half of the room."""

    def __init__(self, room: Room, who: str) -> None:
        self._room = room
        self._who = who
        self._size = 0

    def beside(self, room: Room) -> "Holding":
        """What the same client holds of another room."""
        return Holding(room, self._who)

    async def take(self, size: int) -> None:
        """Wait for room. Raises ResourceExhausted(MESSAGES_FULL)."""
        self._size += await self._room.take(self._who, str(id(self)), size, PATIENCE_S)

    def give(self, size: int) -> None:
        """Give a part back: the request needs it no more."""
        size = min(size, self._size)
        self._size -= size
        self._room.give(self._who, size)

    def release(self) -> None:
        """The request has its answer."""
        self.give(self._size)


Hold = Callable[[Scope], Holding]
