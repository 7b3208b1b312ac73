"""The memory that messages take: each message waits for room before it is received, fairly between callers."""

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from convoy.core.errors import ResourceExhausted
from convoy.core.turns import spread_s

MOST_WAITING = 2000
"""Most messages that wait at a time; half of them may be one caller's."""
LONGEST_WAIT_S = 10.0
_RETRY_S = 0.5


@dataclass(eq=False, slots=True)
class _Waiter:
    """Who waits for how many bytes, since when."""

    who: str
    size: int
    turn: "asyncio.Future[None]"
    since: float = field(default_factory=time.monotonic)


class Room:
    """Bytes for the messages of a process. One caller may take half of them, or one message if that is larger.

    Connections that wait take turns, and the messages of each keep their order.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0
        self._by: Counter[str] = Counter()
        self._waiting: dict[str, deque[_Waiter]] = {}
        self._waiters: Counter[str] = Counter()
        self._all_waiters = 0

    @property
    def longest_wait_s(self) -> float:
        """How long the first of those who wait has waited; 0 if nobody does."""
        first = min((queue[0].since for queue in self._waiting.values()), default=None)
        return 0.0 if first is None else time.monotonic() - first

    def kept_waiting(self, longer_than_s: float) -> tuple[bool, set[str]]:
        """Whether anybody has waited so long for the bytes of others; and who has for bytes of their own."""
        before, others, own = time.monotonic() - longer_than_s, False, set()
        for queue in self._waiting.values():
            if queue[0].since >= before:
                continue
            if self._has_share(queue[0].who, queue[0].size):
                others = True
            else:
                own.add(queue[0].who)
        return others, own

    async def take(self, who: str, connection: str, size: int, patience_s: float | None = LONGEST_WAIT_S) -> int:
        """Wait until `size` bytes are free, reserve them and return them: at most all that there are.

        Raises ResourceExhausted(MESSAGES_FULL) after `patience_s` (None: never), or at once if too many wait, of all
        or of `who`.
        """
        size = min(size, self.most)
        if not self._waiting and self._fits(who, size):
            self.add(who, size)
            return size
        if self._all_waiters >= MOST_WAITING or self._waiters[who] >= MOST_WAITING // 2:
            raise full(self.most)
        waiter = _Waiter(who, size, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(connection, deque()).append(waiter)
        self._all_waiters += 1
        self._waiters[who] += 1
        self._let_in()
        try:
            async with asyncio.timeout(patience_s):
                await waiter.turn
        except BaseException as error:
            self._leave(connection, waiter)
            if isinstance(error, TimeoutError):
                raise full(self.most) from None
            raise
        return size

    def add(self, who: str, size: int) -> None:
        """Count bytes that are in memory already, whether there is room or not."""
        self.used += size
        self._by[who] += size

    def give(self, who: str, size: int) -> None:
        """Give bytes back, and let in who waits for them."""
        self.used -= size
        self._by[who] -= size
        if self._by[who] <= 0:
            del self._by[who]
        if self._waiting:
            self._let_in()

    def _leave(self, connection: str, waiter: _Waiter) -> None:
        """End a wait in vain; or give back what came just as the caller gave up."""
        if waiter.turn.done() and not waiter.turn.cancelled():
            self.give(waiter.who, waiter.size)
            return
        queue = self._waiting.get(connection)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            self._left(waiter)
            if not queue:
                del self._waiting[connection]
        self._let_in()

    def _left(self, waiter: _Waiter) -> None:
        self._all_waiters -= 1
        self._waiters[waiter.who] -= 1
        if not self._waiters[waiter.who]:
            del self._waiters[waiter.who]

    def _let_in(self) -> None:
        """Give turns, one connection after another, until the next message does not fit.

        Who has their share already is passed by, and keeps their place.
        """
        is_moving = True
        while is_moving:
            is_moving = False
            for connection, queue in list(self._waiting.items()):
                waiter = queue[0]
                if self.used and self.used + waiter.size > self.most:
                    return
                if not self._has_share(waiter.who, waiter.size):
                    continue
                is_moving = True
                queue.popleft()
                self._left(waiter)
                del self._waiting[connection]
                if queue:
                    self._waiting[connection] = queue  # behind the others
                if not waiter.turn.done():
                    self.add(waiter.who, waiter.size)
                    waiter.turn.set_result(None)

    def _fits(self, who: str, size: int) -> bool:
        if self.used and self.used + size > self.most:
            return False
        return self._has_share(who, size)

    def _has_share(self, who: str, size: int) -> bool:
        """Whether so many bytes more are within what one caller may take."""
        own = self._by.get(who, 0)
        return own == 0 or own + size <= self.most // 2


class Held:
    """The room that the messages of one call take: each until it is answered, all until the call ends."""

    def __init__(self, room: Room, who: str) -> None:
        self._room = room
        self._who = who
        self._sizes: deque[int] = deque()
        self._is_over = False

    def add(self, size: int, keep: int) -> None:
        """Count one more message; only the last `keep` are still in work. After the call's end none is."""
        if self._is_over:
            return
        self._room.add(self._who, size)
        self._sizes.append(size)
        while len(self._sizes) > keep:
            self._room.give(self._who, self._sizes.popleft())

    def answered(self) -> None:
        """The oldest message of a stream has its answer, and is in work no more."""
        if self._sizes:
            self._room.give(self._who, self._sizes.popleft())

    def release(self) -> None:
        """The call has ended."""
        self._is_over = True
        while self._sizes:
            self._room.give(self._who, self._sizes.popleft())


def full(most: int) -> ResourceExhausted:
    """The error for a message that finds no room."""
    facts = {"message_memory_bytes": most}
    message = "the messages of other calls take all memory for messages"
    return ResourceExhausted("MESSAGES_FULL", message, spread_s(_RETRY_S), facts)
