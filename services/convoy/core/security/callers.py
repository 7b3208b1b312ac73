"""Who makes the call that is being answered, and what they may do."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """name: as authenticated, empty for anybody; scopes: what they may do, None for all (authentication is off)."""

    name: str = ""
    scopes: frozenset[str] | None = None


ANYBODY = Caller()
_caller: ContextVar[Caller] = ContextVar("caller", default=ANYBODY)


def caller() -> Caller:
    """Who asked for what is being done; ANYBODY outside of a call."""
    return _caller.get()


def begin_caller(found: Caller) -> None:
    """From here on this task works for them."""
    _caller.set(found)
