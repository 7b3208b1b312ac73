"""What stands before a call's message: one that would only be refused is refused while it is still on its way."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from convoy.core.errors import ConvoyError
from convoy.core.models.loaded_model import LoadedModel

# For so long a message that comes is expected to be here soon; a slow sender's shall keep nobody else out.
_SOON_S = 0.1
Models = tuple[LoadedModel, ...]


class Gate:
    """Judges calls by their headers, before their messages are received.

    models: those that a call may go to, by the model that its headers name, None where they name none. It is refused
    here only where the queues of all of them would refuse it. Headers are but a hint: the message says where the call
    goes, and the queue there looks once more at what comes through.
    """

    def __init__(self, models: Callable[[str | None], Iterable[LoadedModel]]) -> None:
        self._models = models
        # When each began to come, and where it may go, the oldest first.
        self._arriving: dict[object, tuple[float, Models]] = {}

    @contextmanager
    def passing(self, deadline: float | None, named: str | None = None) -> Iterator[None]:
        """Let a call in while its message comes; those with the same way, coming already, count as waiting before it.

        deadline: on time.monotonic's clock. Raises what Batcher.submit raises.
        """
        models = tuple(self._models(named))
        _judge(models, deadline, self._expected_soon(models))
        call = object()
        self._arriving[call] = time.monotonic(), models
        try:
            yield
        finally:
            self._arriving.pop(call, None)

    def _expected_soon(self, models: Models) -> int:
        oldest = time.monotonic() - _SOON_S
        for call, (since, _) in list(self._arriving.items()):
            if since > oldest:
                break
            del self._arriving[call]
        return sum(ways == models for _, ways in self._arriving.values())


def _judge(models: Models, deadline: float | None, ahead: int) -> None:
    refusal = None
    for model in models:
        try:
            return model.batcher.admit(deadline, ahead)
        except ConvoyError as error:
            refusal = error
    if refusal is not None:
        raise refusal
