"""Refuses a call before its message arrives, if the queue would refuse it anyway."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from convoy.core.errors import ConvoyError, ResourceExhausted
from convoy.core.turns import current_turn

# A message that takes longer to arrive no longer counts: a slow sender must not keep others out.
_SOON_S = 0.1
_RETRY_S = 0.1


class Queue(Protocol):
    """Where calls wait for a model: a Batcher, or the queue of a model that is not in memory yet."""

    def admit(self, deadline: float | None, ahead: int = 0) -> None:
        """Raise the error that a call would get if `ahead` other calls came before it."""


Queues: TypeAlias = tuple[Queue, ...]
Arriving: TypeAlias = dict[object, tuple[float, Queues, str]]
"""When each message began to arrive, where it may go, and whose it is, oldest first."""


class EmptyQueue:
    """The queue of models that are not in memory yet: it is empty and has `size` places."""

    def __init__(self, size: int) -> None:
        self._size = size

    def admit(self, deadline: float | None, ahead: int = 0) -> None:
        """Raise ResourceExhausted(QUEUE_FULL) if messages that are still arriving take all its places."""
        if ahead >= self._size:
            raise ResourceExhausted("QUEUE_FULL", "the queue is full", _RETRY_S, {"queue_size": self._size})


class Gate:
    """Admits or refuses a call by its headers, before it receives the message.

    queues: from the model that the headers name, or None if they name none, to the queues that the call may go to. The
    gate refuses a call only if all of them would refuse it. Headers are only a hint: the message says where the call
    goes, and the queue there decides again. arriving: the messages on their way, which several gates may share.
    """

    def __init__(self, queues: Callable[[str | None], Iterable[Queue]], arriving: Arriving | None = None) -> None:
        self._queues = queues
        self._arriving: Arriving = {} if arriving is None else arriving

    @contextmanager
    def passing(self, deadline: float | None, named: str | None = None) -> Iterator[None]:
        """Admit a call until its message has arrived. Earlier messages for the same queues count as waiting before it.

        deadline: on time.monotonic's clock. Raises what Batcher.submit raises.
        """
        queues = tuple(self._queues(named))
        _judge(queues, deadline, self._expected_soon(queues))
        call = object()
        self._arriving[call] = time.monotonic(), queues, current_turn().who
        try:
            yield
        finally:
            self._arriving.pop(call, None)

    def _expected_soon(self, queues: Queues) -> int:
        oldest = time.monotonic() - _SOON_S
        for call, (since, _, _) in list(self._arriving.items()):
            if since > oldest:
                break
            del self._arriving[call]
        callers = Counter(who for _, ways, who in self._arriving.values() if ways == queues)
        # As in Batcher.admit: others' messages do not all come first, since callers take turns.
        who = current_turn().who
        return min(callers.total(), (callers[who] + 1) * len({who, *callers}) - 1)


def _judge(queues: Queues, deadline: float | None, ahead: int) -> None:
    refusal = None
    for queue in queues:
        try:
            return queue.admit(deadline, ahead)
        except ConvoyError as error:
            refusal = error
    if refusal is not None:
        raise refusal
