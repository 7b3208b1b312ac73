"""Receives the messages of calls within bounds, for the process and for each caller.

gRPC receives a message when its handler reads it, whole, and does not tell before how large it is. So a
message waits for room before it is read (room.py). One that takes long is counted as the bytes that its connection has
received (connections.py): if that is too much for the process, the connection with most is refused. So is a message
that does not come on, and a large one from a caller whose token nobody has looked at.
"""

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import Descriptor

from convoy.core.errors import ConvoyError, DeadlineExceeded
from convoy.core.machine import give_back_memory, memory_in_use, memory_limit
from convoy.core.security.rates import host_of
from convoy.core.serving.connections import Connections, can_count, plain_peer
from convoy.core.serving.inflation import inflate, is_compressed, too_large
from convoy.core.serving.room import Room, full
from convoy.core.serving.status import Context
from convoy.core.serving.wire import Bounds, check_fields
from convoy.core.telemetry import MESSAGE_BYTES, MESSAGES_REFUSED

log = structlog.get_logger()
SMALL_MESSAGE = 64 * 1024
"""Most bytes of a message from a caller whom nobody has asked for a token."""
# A message is in memory as gRPC's bytes, Python's, protobuf's, and once more where a field is read or sent on.
COPIES = 4
FIELD_BYTES = 100
_TICK_S = 0.02
_SHORT_S = 0.1
_CALM_S = 1.0
NO_PROGRESS_S = 30.0
SLOWEST_BYTES_PER_S = 1024
# While others wait for room, a message must come on within the first time, and be here within the second.
_PRESSED_WAIT_S = 0.25
_PRESSED_PROGRESS_S = 1.0
_PRESSED_S = 5.0
_PARTLY = 64 * 1024
# Most bytes that a connection receives beside messages: headers of a call, frames and TLS records of a message, pings.
# The kernel counts these too, so without this a stream would seem to hold megabytes after a day.
_BESIDE_A_CALL = 2048
_BESIDE_A_MESSAGE = 256
_BYTES_BESIDE_ONE = 32
_BESIDE_PER_S = 32
_TRIM_AFTER_S = 2.0
# Messages of a stream that are in work at the same time: streaming.py works on so many.
_AHEAD = 9
_QUICK_INFLATION = 1024
_QUICK_FIELDS = 10_000
# The share of the container's memory at which the largest messages on their way are refused, whatever the budget says.
_DANGER = 0.9


@dataclass(eq=False, slots=True)
class _Receipt:
    """A message that is being received.

    room: where `reserved` bytes are reserved for it; is_open: anybody may send it.
    """

    who: str
    peer: str
    task: "asyncio.Task[Any] | None"
    room: Room
    reserved: int
    is_open: bool
    is_unary: bool
    since: float = field(default_factory=time.monotonic)
    refusal: ConvoyError | None = None


@dataclass(slots=True)
class _Arrived:
    """What a connection has received: before its present messages, now, and when it last received anything.

    looked_at: when that was; who, counted: the caller in whose name so many of these bytes are counted in the room;
    beside: bytes that may have come beside the messages that arrived since.
    """

    before: int
    now: int
    progress_at: float
    looked_at: float
    who: str
    counted: int = 0
    beside: int = 0

    @property
    def size(self) -> int:
        """Bytes of messages that are not here yet."""
        return max(0, self.now - self.before)

    def look(self, count: int, now: float) -> None:
        """Take what the kernel counts, and leave out what came beside messages."""
        if count != self.now:
            self.now, self.progress_at = count, now
        # Of a message that has arrived meanwhile, a part may have come before the first look.
        self.before = min(self.before, count)
        beside = self.beside + round(_BESIDE_PER_S * (now - self.looked_at))
        self.before += min(beside, self.size)
        self.looked_at, self.beside = now, 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What a call may send: the type of its messages and their bounds. is_open: anybody may make the call."""

    kind: Descriptor | None
    bounds: Bounds
    is_open: bool = False


class Held:
    """The room that the messages of one call take: each until it is answered, all until the call ends."""

    def __init__(self, room: Room, who: str) -> None:
        self._room = room
        self._who = who
        self._sizes: deque[int] = deque()

    def add(self, size: int, keep: int) -> None:
        """Count one more message; only the last `keep` are still in work."""
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
        while self._sizes:
            self._room.give(self._who, self._sizes.popleft())


class Receiver:
    """Receives for one server.

    most_message: bytes of the largest message; budget: bytes of all messages, by default derived from the memory that
    this process may use.
    """

    def __init__(self, most_message: int, budget: int | None = None) -> None:
        self._limit = memory_limit()
        self.most_message = most_message
        self.room = Room(budget or default_budget(self._limit, most_message))
        # How large a message will be, nobody knows. At least four are received at a time.
        self._unknown = min(most_message, self.room.most // 4)
        self._strangers = Room(4 * self._unknown)
        self._receipts: dict[_Receipt, None] = {}
        self._connections = Connections()
        self._arrived: dict[str, _Arrived] = {}
        self._inflating = asyncio.Semaphore(2)
        self._timer: asyncio.TimerHandle | None = None
        self._sampled_at = 0.0
        self._next_sample_at = 0.0
        self._at_rest = memory_in_use()
        self._trim: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take the memory in use now as that of a service at rest."""
        self._at_rest = memory_in_use()

    @contextlib.contextmanager
    def holding(self, who: str) -> Iterator[Held]:
        """Hold the room of a call's messages until the block ends."""
        held = Held(self.room, who)
        try:
            yield held
        finally:
            held.release()
            if self.room.used <= 0 and self._trim is None:
                self._trim = asyncio.get_running_loop().call_later(_TRIM_AFTER_S, self._give_back)

    async def one(self, context: Context, who: str, expected: Expected, held: Held) -> Any:
        """Receive the one message of a call, inflated and with its fields counted; EOF if there is none.

        Raises ResourceExhausted(MESSAGES_FULL), DeadlineExceeded(MESSAGE_TOO_SLOW), InvalidArgument(MESSAGE_TOO_LARGE,
        TOO_MANY_FIELDS, BAD_MESSAGE).
        """
        return await self._receive(context, who, expected, held, is_unary=True)

    async def each(self, context: Context, who: str, expected: Expected, held: Held) -> AsyncIterator[bytes]:
        """Receive the messages of a stream in the same way, each when there is room."""
        while (content := await self._receive(context, who, expected, held, is_unary=False)) is not grpc.aio.EOF:
            yield content

    async def _receive(self, context: Context, who: str, expected: Expected, held: Held, is_unary: bool) -> Any:
        peer, room = plain_peer(context.peer()), self._strangers if expected.is_open else self.room
        # A stream may be silent for hours, so nothing is reserved for its next message.
        size = self._unknown if is_unary or expected.is_open else 0
        reserved = await room.take(who, peer, size, context.time_remaining() if is_unary else None)
        receipt = _Receipt(who, peer, asyncio.current_task(), room, reserved, expected.is_open, is_unary)
        self._begin(receipt)
        try:
            content: Any = await context.read()
            if content is grpc.aio.EOF and is_unary:
                # The client sent none, or is gone. If it is gone, gRPC cancels the call while we read again.
                content = await context.read()
        except asyncio.CancelledError:
            if receipt.refusal is None or receipt.task is None:
                raise
            receipt.task.uncancel()
            raise receipt.refusal from None
        finally:
            self._end(receipt)
        if content is grpc.aio.EOF:
            return content
        self._count(receipt, len(content))
        content, fields = await self._checked(content, expected)
        held.add(COPIES * len(content) + FIELD_BYTES * fields, 1 if is_unary else _AHEAD)
        return content

    async def _checked(self, content: bytes, expected: Expected) -> tuple[bytes, int]:
        most = SMALL_MESSAGE if expected.is_open else self.most_message
        if is_compressed(content):
            if len(content) <= _QUICK_INFLATION:
                content = inflate(content, most)
            else:
                async with self._inflating:
                    content = await asyncio.to_thread(inflate, content, most)
        if len(content) > most:
            raise too_large(most)
        if expected.kind is None:
            return content, 0
        if expected.bounds.fields > _QUICK_FIELDS and len(content) > SMALL_MESSAGE:
            return content, await asyncio.to_thread(check_fields, content, expected.kind, expected.bounds)
        return content, check_fields(content, expected.kind, expected.bounds)

    def _begin(self, receipt: _Receipt) -> None:
        self._receipts[receipt] = None
        if not receipt.reserved and receipt.peer not in self._arrived:
            # Nothing bounds this one but what arrives, so count from the start.
            for peer, count in self._connections.received([receipt.peer]).items():
                self._arrived[peer] = _Arrived(count, count, receipt.since, receipt.since, receipt.who)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    def _end(self, receipt: _Receipt) -> None:
        del self._receipts[receipt]
        self._give(receipt)
        if receipt.refusal is not None and not self._receipts:
            self._forget(set())

    def _give(self, receipt: _Receipt) -> None:
        reserved, receipt.reserved = receipt.reserved, 0
        if reserved:
            receipt.room.give(receipt.who, reserved)

    def _count(self, receipt: _Receipt, size: int) -> None:
        """A message is here: its bytes no longer count as those of the connection's next one."""
        MESSAGE_BYTES.inc(size)
        if self._arrived and (arrived := self._arrived.get(receipt.peer)) is not None:
            arrived.before += size
            arrived.beside += (_BESIDE_A_CALL if receipt.is_unary else _BESIDE_A_MESSAGE) + size // _BYTES_BESIDE_ONE
            self._recount(arrived, max(0, arrived.counted - size))

    def _recount(self, arrived: _Arrived, size: int) -> None:
        more, arrived.counted = size - arrived.counted, size
        if more > 0:
            self.room.add(arrived.who, more)
        elif more < 0:
            self.room.give(arrived.who, -more)

    def _tick(self) -> None:
        """Look at the messages that are not here yet, every 20 ms while there are any."""
        self._timer = None
        now = time.monotonic()
        slow = [receipt for receipt in self._receipts if now - receipt.since >= _TICK_S]
        if slow and now >= self._next_sample_at and (self._is_tense() or now - self._sampled_at >= _CALM_S):
            self._sample(slow, now)
        if self._receipts:
            self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)
        else:
            self._forget(set())

    def _is_tense(self) -> bool:
        if self.room.longest_wait_s or self._strangers.longest_wait_s:
            return True
        in_use = memory_in_use()
        return in_use > self._at_rest + self.room.most // 8 or in_use > _DANGER * self._limit

    def _sample(self, slow: list[_Receipt], now: float) -> None:
        by_peer: dict[str, list[_Receipt]] = defaultdict(list)
        for receipt in slow:
            by_peer[receipt.peer].append(receipt)
        self._look(by_peer, now)
        self._refuse_strangers(by_peer, now)
        self._refuse_stalled(by_peer, now)
        self._refuse_largest(by_peer)
        self._sampled_at = now
        # It may take a twentieth of the time.
        self._next_sample_at = now + 20 * (time.monotonic() - now)

    def _look(self, by_peer: dict[str, list[_Receipt]], now: float) -> None:
        """Ask how much has arrived, and count it in place of what was reserved for messages that take long."""
        self._forget({receipt.peer for receipt in self._receipts})
        received = self._connections.received(by_peer) if can_count() else {}
        for peer, count in received.items():
            receipts = by_peer[peer]
            if (arrived := self._arrived.get(peer)) is None:
                self._arrived[peer] = _Arrived(count, count, now, now, receipts[0].who)
                continue
            arrived.look(count, now)
            guarded = [one for one in receipts if not one.is_open]
            for one in guarded:
                if now - one.since >= _SHORT_S:
                    self._give(one)
            reserved = sum(one.reserved for one in guarded)
            self._recount(arrived, max(0, arrived.size - reserved) if guarded else 0)

    def _forget(self, present: Collection[str]) -> None:
        for peer in self._arrived.keys() - present:
            self._recount(self._arrived.pop(peer), 0)

    def _refuse_strangers(self, by_peer: dict[str, list[_Receipt]], now: float) -> None:
        is_pressed = self._strangers.longest_wait_s > _PRESSED_WAIT_S
        for peer, receipts in by_peer.items():
            if all(one.is_open for one in receipts) and self._size(peer) > SMALL_MESSAGE * (1 + len(receipts)):
                self._refuse(receipts, too_large(SMALL_MESSAGE))
            elif is_pressed:
                self._refuse([one for one in receipts if one.is_open and now - one.since > _SHORT_S], _too_slow())

    def _refuse_stalled(self, by_peer: dict[str, list[_Receipt]], now: float) -> None:
        # Who waits for messages of their own presses on nobody else's.
        anybody, own = self.room.kept_waiting(_PRESSED_WAIT_S)
        for peer, receipts in by_peer.items():
            arrived = self._arrived.get(peer)
            for one in receipts:
                age_s, is_pressed = now - one.since, anybody or one.who in own
                if arrived is None:
                    # Where nobody tells how much has arrived, what is reserved for it may keep others out so long.
                    if one.reserved and is_pressed and age_s > _PRESSED_S:
                        self._refuse([one], _too_slow())
                    continue
                still_s = now - arrived.progress_at
                if not (one.is_unary or arrived.size > _PARTLY):
                    continue  # a stream between two messages
                is_still = age_s > NO_PROGRESS_S and still_s > NO_PROGRESS_S
                is_slow = age_s > NO_PROGRESS_S and arrived.size < age_s * SLOWEST_BYTES_PER_S
                is_in_the_way = is_pressed and (age_s > _PRESSED_S or min(still_s, age_s) > _PRESSED_PROGRESS_S)
                if is_still or is_slow or is_in_the_way:
                    self._refuse([one], _too_slow())

    def _refuse_largest(self, by_peer: dict[str, list[_Receipt]]) -> None:
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

    def _refuse(self, receipts: list[_Receipt], error: ConvoyError) -> None:
        for one in receipts:
            if one.refusal is None and one.task is not None and one in self._receipts:
                one.refusal = error
                one.task.cancel()
                MESSAGES_REFUSED.labels(error.reason).inc()

    def _give_back(self) -> None:
        self._trim = None
        if self.room.used <= 0 and memory_in_use() > self._at_rest + self.room.most // 8:
            asyncio.get_running_loop().run_in_executor(None, give_back_memory)


def default_budget(limit: int, most_message: int) -> int:
    """Return the memory for messages: a quarter of what the process may use, at most 2 GiB; room for two at least."""
    return max(min(limit // 4, 2 * 2**30), 2 * most_message)


def caller_key(name: str, peer: str) -> str:
    """The name under which a caller's messages are counted: the authenticated name, or the host."""
    return f"name:{name}" if name else host_of(peer)


def _too_slow() -> DeadlineExceeded:
    return DeadlineExceeded("MESSAGE_TOO_SLOW", "the message took too long to arrive")
