"""What stands before a call's message: one that would only be refused is refused while it is still on its way."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from convoy.core.errors import ConvoyError
from convoy.core.repository import LoadedModel

# For so long a message that comes is expected to be here soon; a slow sender's shall keep nobody else out.
_SOON_S = 0.1


class Gate:
    """Judges calls by their headers, before their messages are received.

    models: those that a call may go to; which one is said in its message. So it is refused here only where the queues
    of all of them would refuse it, and the queue looks once more at what comes through.
    """

    def __init__(self, models: Callable[[], Iterable[LoadedModel]]) -> None:
        self._models = models
        # When each began to come, the oldest first.
        self._arriving: dict[object, float] = {}

    @contextmanager
    def passing(self, deadline: float | None) -> Iterator[None]:
        """Let a call in while its message comes; those that come at the same time count as waiting before it.

        deadline: on time.monotonic's clock. Raises what Batcher.submit raises.
        """
        self._judge(deadline)
        call = object()
        self._arriving[call] = time.monotonic()
        try:
            yield
        finally:
            self._arriving.pop(call, None)

    def _judge(self, deadline: float | None) -> None:
        ahead, refusal = self._expected_soon(), None
        for model in self._models():
            try:
                return model.batcher.admit(deadline, ahead)
            except ConvoyError as error:
                refusal = error
        if refusal is not None:
            raise refusal

    def _expected_soon(self) -> int:
        oldest = time.monotonic() - _SOON_S
        for call, since in list(self._arriving.items()):
            if since > oldest:
                break
            del self._arriving[call]
        return len(self._arriving)
