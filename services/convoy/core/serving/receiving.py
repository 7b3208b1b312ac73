"""Receives the messages of calls within bounds, for the process and for each caller.

gRPC receives a message when its handler reads it, whole, and does not tell before how large it is. So a message waits
for room before it is read (room.py), and is watched while it arrives (arrivals.py). Then it is inflated, and its fields
are counted before protobuf reads them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor

from convoy.core.machine import give_back_memory, memory_in_use, memory_limit
from convoy.core.security.rates import host_of
from convoy.core.serving.arrivals import SMALL_MESSAGE, Arrivals, Receipt
from convoy.core.serving.connections import plain_peer
from convoy.core.serving.inflation import inflate, is_compressed, too_large
from convoy.core.serving.room import LONGEST_WAIT_S, Held, Room
from convoy.core.serving.status import Context
from convoy.core.serving.wire import Bounds, check_fields

# A message is in memory as gRPC's bytes, Python's, protobuf's, and once more where a field is read or sent on.
COPIES = 4
FIELD_BYTES = 100
_TRIM_AFTER_S = 2.0
# Messages of a stream that are in work at the same time: streaming.py works on so many.
_AHEAD = 9
_QUICK_INFLATION = 1024
_QUICK_FIELDS = 10_000
# So long before a deadline the caller is told why, rather than nothing.
_TO_SAY_SO_S = 0.1


@dataclass(frozen=True, slots=True)
class Expected:
    """What a call may send: the type of its messages and their bounds. is_open: anybody may make the call."""

    kind: Descriptor | None
    bounds: Bounds
    is_open: bool = False


class Receiver:
    """Receives for one server.

    most_message: bytes of the largest message; budget: bytes of all messages, by default derived from the memory that
    this process may use.
    """

    def __init__(self, most_message: int, budget: int | None = None) -> None:
        limit = memory_limit()
        self.most_message = most_message
        self.room = Room(budget or default_budget(limit, most_message))
        # How large a message will be, nobody knows. At least four are received at a time.
        self._unknown = min(most_message, self.room.most // 4)
        self._strangers = Room(4 * self._unknown)
        self.arrivals = Arrivals(self.room, self._strangers, limit)
        self._inflating = asyncio.Semaphore(2)
        self._trim: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take the memory in use now as that of a service at rest."""
        self.arrivals.at_rest = memory_in_use()

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
        # A stream whose messages find no room is read more slowly. A stranger has no say in how long a message waits.
        patience_s = LONGEST_WAIT_S if expected.is_open else call_patience_s(context) if is_unary else None
        reserved = await room.take(who, peer, size, patience_s)
        receipt = Receipt(who, peer, asyncio.current_task(), room, reserved, expected.is_open, is_unary)
        self.arrivals.begin(receipt)
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
            self.arrivals.end(receipt)
        if content is grpc.aio.EOF:
            return content
        self.arrivals.count(receipt, len(content))
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

    def _give_back(self) -> None:
        self._trim = None
        if self.room.used <= 0 and memory_in_use() > self.arrivals.at_rest + self.room.most // 8:
            asyncio.get_running_loop().run_in_executor(None, give_back_memory)


def call_patience_s(context: Context) -> float:
    """How long a call waits for room: as long as its caller does; LONGEST_WAIT_S if the caller sets no deadline."""
    left_s = context.time_remaining()
    return LONGEST_WAIT_S if left_s is None else max(0.0, left_s - _TO_SAY_SO_S)


def default_budget(limit: int, most_message: int) -> int:
    """Return the memory for messages: a quarter of what the process may use, at most 2 GiB; room for two at least."""
    return max(min(limit // 4, 2 * 2**30), 2 * most_message)


def caller_key(name: str, peer: str) -> str:
    """The name under which a caller's messages are counted: the authenticated name, or the host."""
    return f"name:{name}" if name else host_of(peer)
