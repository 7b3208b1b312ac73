"""The call being answered: who asks, its id, and how much time is left."""

import time
from contextvars import ContextVar
from dataclasses import dataclass

from convoy.recognition.domain.records import Note

PATIENCE_S = 30.0
ANSWER_S = 0.25


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its id, who makes it, and its deadline on time.monotonic's clock; None for no deadline."""

    request_id: str = ""
    actor: str = ""
    deadline: float | None = None

    def remaining_s(self) -> float:
        """Time left; a caller who sets no deadline gets 30 s."""
        return PATIENCE_S if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def patience_s(self) -> float:
        """How long to wait for something: a little less than is left, so that the caller still hears why it failed."""
        left_s = self.remaining_s()
        return left_s - min(ANSWER_S, left_s / 4)

    def note(self, action: str, person_id: str = "", outcome: str = "") -> Note:
        """An audit entry for what this call does."""
        return Note(action, now_ms(), person_id, self.actor, outcome, self.request_id)


_call: ContextVar[Call] = ContextVar("call", default=Call())  # noqa: B039 - it is frozen


def current_call() -> Call:
    """The call that this task answers."""
    return _call.get()


def begin_call(call: Call) -> None:
    """From here on this task answers that call."""
    _call.set(call)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
