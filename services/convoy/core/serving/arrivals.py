"""Messages on their way: counts what has arrived of each, and refuses those that stand in the way of others.

gRPC does not tell how much of a message has arrived. So a message that takes long counts as the bytes that its
connection has received (connections.py). If that is too much for the process, the connection with most is refused. So
is a message that does not come on, and a large one from a caller whose token nobody has looked at. While somebody waits
for the room of others, the slowest message goes, one after another, and those that come on quickly stay.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from convoy.core.errors import ConvoyError, DeadlineExceeded
from convoy.core.machine import memory_in_use
from convoy.core.serving.connections import Arrived, Connections, can_count
from convoy.core.serving.inflation import too_large
from convoy.core.serving.room import Room, full
from convoy.core.telemetry import MESSAGE_BYTES, MESSAGES_REFUSED

SMALL_MESSAGE = 64 * 1024
"""Most bytes of a message from a caller whom nobody has asked for a token."""
_TICK_S = 0.02
_SHORT_S = 0.1
_CALM_S = 1.0
_QUICK_S = 0.001
NO_PROGRESS_S = 30.0
SLOWEST_BYTES_PER_S = 1024
# While others wait so long for room, a message must come on within the next time, and the slowest of those that are
# older than the last is refused.
_PRESSED_WAIT_S = 0.25
_PRESSED_PROGRESS_S = 1.0
_PRESSED_S = 5.0
# Of a caller who waits for bytes of their own, a message goes that stands still so long, or comes on more slowly: those
# that wait behind it are no better, unless somebody behind the same address sends slowly on purpose.
_OWN_BYTES_PER_S = 64 * 1024
_PARTLY = 64 * 1024
# The share of the container's memory at which the largest messages on their way are refused, whatever the budget says.
_DANGER = 0.9


@dataclass(eq=False, slots=True)
class Receipt:
    """A message that is being received.

    room: where `reserved` bytes are reserved for it; is_open: anybody may send it; is_counted: the bytes of its
    connection are counted from its beginning.
    """

    who: str
    peer: str
    task: "asyncio.Task[Any] | None"
    room: Room
    reserved: int
    is_open: bool
    is_unary: bool
    since: float = field(default_factory=time.monotonic)
    is_counted: bool = False
    refusal: ConvoyError | None = None


class Arrivals:
    """The messages of one server that are on their way.

    room, strangers: where callers and those without a token have room; limit: bytes that this process may use.
    """

    def __init__(self, room: Room, strangers: Room, limit: int) -> None:
        self.room = room
        self._strangers = strangers
        self._limit = limit
        self.at_rest = memory_in_use()
        self._receipts: dict[Receipt, None] = {}
        self._connections = Connections()
        self._arrived: dict[str, Arrived] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._sampled_at = 0.0
        self._next_sample_at = 0.0
        self._next_search_at = 0.0
        self._relieved_at = 0.0

    def begin(self, receipt: Receipt) -> None:
        """Somebody begins to send a message."""
        self._receipts[receipt] = None
        if receipt.peer not in self._arrived and can_count():
            self._count_from_now(receipt)
        receipt.is_counted = receipt.peer in self._arrived
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    def _count_from_now(self, receipt: Receipt) -> None:
        """Note what the connection has received before this message."""
        # To find the socket of a new connection takes longer the more there are, so it has a twentieth of the time; but
        # nothing except what arrives bounds a message without room of its own.
        began = time.monotonic()
        may_search = not receipt.reserved or began >= self._next_search_at
        for peer, count in self._connections.received([receipt.peer], may_search).items():
            self._arrived[peer] = Arrived(count, count, receipt.since, receipt.since, receipt.who)
        if (took_s := time.monotonic() - began) > _QUICK_S:
            self._next_search_at = began + 20 * took_s

    def end(self, receipt: Receipt) -> None:
        """The message is here, or comes no more."""
        del self._receipts[receipt]
        self._give(receipt)
        if receipt.refusal is not None and not self._receipts:
            self._forget(set())

    def _give(self, receipt: Receipt) -> None:
        reserved, receipt.reserved = receipt.reserved, 0
        if reserved:
            receipt.room.give(receipt.who, reserved)

    def count(self, receipt: Receipt, size: int) -> None:
        """A message is here: its bytes no longer count as those of the connection's next one."""
        MESSAGE_BYTES.inc(size)
        if self._arrived and (arrived := self._arrived.get(receipt.peer)) is not None:
            arrived.take_away(size, receipt.is_unary)
            self._recount(arrived, max(0, arrived.counted - size))

    def _recount(self, arrived: Arrived, size: int) -> None:
        more, arrived.counted = size - arrived.counted, size
        if more > 0:
            self.room.add(arrived.who, more)
        elif more < 0:
            self.room.give(arrived.who, -more)

    def _tick(self) -> None:
        """Look at the messages that are not here yet, every 20 ms while there are any."""
        self._timer = None
        now = time.monotonic()
        self._forget({receipt.peer for receipt in self._receipts})
        slow = [receipt for receipt in self._receipts if now - receipt.since >= _TICK_S]
        if slow and now >= self._next_sample_at and (self._is_tense() or now - self._sampled_at >= _CALM_S):
            self._sample(slow, now)
        if self._receipts:
            self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    def _is_tense(self) -> bool:
        if self.room.longest_wait_s or self._strangers.longest_wait_s:
            return True
        in_use = memory_in_use()
        return in_use > self.at_rest + self.room.most // 8 or in_use > _DANGER * self._limit

    def _sample(self, slow: list[Receipt], now: float) -> None:
        by_peer: dict[str, list[Receipt]] = defaultdict(list)
        for receipt in slow:
            by_peer[receipt.peer].append(receipt)
        self._look(by_peer, now)
        self._refuse_strangers(by_peer, now)
        self._refuse_stalled(by_peer, now)
        self._refuse_largest(by_peer)
        self._sampled_at = now
        # It may take a twentieth of the time.
        self._next_sample_at = now + 20 * (time.monotonic() - now)

    def _look(self, by_peer: dict[str, list[Receipt]], now: float) -> None:
        """Ask how much has arrived, and count it in place of what was reserved for messages that take long.

        A message whose beginning was not counted keeps what is reserved for it.
        """
        received = self._connections.received(by_peer) if can_count() else {}
        for peer, count in received.items():
            receipts = by_peer[peer]
            if (arrived := self._arrived.get(peer)) is None:
                self._arrived[peer] = Arrived(count, count, now, now, receipts[0].who)
                continue
            arrived.look(count, now)
            guarded = [one for one in receipts if not one.is_open]
            for one in guarded:
                if one.is_counted and now - one.since >= _SHORT_S:
                    self._give(one)
            reserved = sum(one.reserved for one in guarded)
            self._recount(arrived, max(0, arrived.size - reserved) if guarded else 0)

    def _forget(self, present: Collection[str]) -> None:
        for peer in self._arrived.keys() - present:
            self._recount(self._arrived.pop(peer), 0)

    def _refuse_strangers(self, by_peer: dict[str, list[Receipt]], now: float) -> None:
        is_pressed = self._strangers.longest_wait_s > _PRESSED_WAIT_S
        known = {receipt.peer for receipt in self._receipts if not receipt.is_open}
        for peer, receipts in by_peer.items():
            if peer not in known and self._size(peer) > SMALL_MESSAGE * (1 + len(receipts)):
                self._refuse(receipts, too_large(SMALL_MESSAGE))
            elif is_pressed:
                self._refuse([one for one in receipts if one.is_open and now - one.since > _SHORT_S], _too_slow())

    def _refuse_stalled(self, by_peer: dict[str, list[Receipt]], now: float) -> None:
        # Who waits for messages of their own presses on nobody else's, and on those only if they hardly come on.
        anybody, own = self.room.kept_waiting(_PRESSED_WAIT_S)
        in_the_way: list[tuple[float, Receipt]] = []
        for peer, receipts in by_peer.items():
            arrived = self._arrived.get(peer)
            for one in receipts:
                age_s, is_own = now - one.since, one.who in own
                if arrived is None:
                    # Where nobody tells how much has arrived, what is reserved for it may keep others out so long.
                    if one.reserved and (anybody or is_own) and age_s > _PRESSED_S:
                        self._refuse([one], _too_slow())
                    continue
                if not (one.is_unary or arrived.size > _PARTLY):
                    continue  # a stream between two messages
                still_s = now - arrived.progress_at
                is_slow = age_s > NO_PROGRESS_S and arrived.size < age_s * SLOWEST_BYTES_PER_S
                most_still_s = _PRESSED_PROGRESS_S if anybody else _PRESSED_S if is_own else NO_PROGRESS_S
                speed = arrived.size / age_s
                if is_slow or min(still_s, age_s) > most_still_s:
                    self._refuse([one], _too_slow())
                elif age_s > _PRESSED_S and (anybody or (is_own and speed < _OWN_BYTES_PER_S)):
                    in_the_way.append((speed, one))
        self._relieve(in_the_way, now)

    def _relieve(self, in_the_way: list[tuple[float, Receipt]], now: float) -> None:
        """Refuse the slowest message, of so many bytes a second; then look whether anybody still has to wait."""
        if in_the_way and now - self._relieved_at >= _PRESSED_WAIT_S:
            _, slowest = min(in_the_way, key=lambda pair: pair[0])
            self._refuse([slowest], _too_slow())
            self._relieved_at = now

    def _refuse_largest(self, by_peer: dict[str, list[Receipt]]) -> None:
        """Refuse the connections with most bytes until the rest fits, with a quarter of leeway."""
        sizes = sorted((self._size(peer), peer) for peer in by_peer)
        total = self.room.used
        is_danger = memory_in_use() > _DANGER * self._limit
        while sizes and (total > self.room.most * 5 // 4 or is_danger):
            size, peer = sizes.pop()
            if size <= SMALL_MESSAGE:
                return
            self._refuse(by_peer[peer], full(self.room.most))
            total -= size
            is_danger = False

    def _size(self, peer: str) -> int:
        arrived = self._arrived.get(peer)
        return 0 if arrived is None else arrived.size

    def _refuse(self, receipts: list[Receipt], error: ConvoyError) -> None:
        for one in receipts:
            if one.refusal is None and one.task is not None and one in self._receipts:
                one.refusal = error
                one.task.cancel()
                MESSAGES_REFUSED.labels(error.reason).inc()


def _too_slow() -> DeadlineExceeded:
    return DeadlineExceeded("MESSAGE_TOO_SLOW", "the message took too long to arrive")
