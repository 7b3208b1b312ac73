"""Whose turn it is: queues share what they have between callers, by the turn of the call that is being answered."""

import random
from contextvars import ContextVar
from typing import NamedTuple


class Turn(NamedTuple):
    """who: the caller's name, or host; connection: which of the caller's connections; weight: its share beside others;
    may_hurry: whether its calls may name a priority.
    """

    who: str = ""
    connection: str = ""
    weight: int = 1
    may_hurry: bool = True


_NOBODYS = Turn()
_turn: ContextVar[Turn] = ContextVar("turn", default=_NOBODYS)


def current_turn() -> Turn:
    """The turn of the call that is being answered; the same for everything outside a call."""
    return _turn.get()


def begin_turn(turn: Turn) -> None:
    """Set the turn for the current task."""
    _turn.set(turn)


def spread_s(delay_s: float) -> float:
    """When to try again: callers who were refused together must not come back together."""
    return delay_s * random.uniform(1.0, 1.5)
