"""The caller of the call that is being answered: name and scopes."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call. name: authenticated, or empty; scopes: what they may do, None for everything (no tokens)."""

    name: str = ""
    scopes: frozenset[str] | None = None


ANYBODY = Caller()
_caller: ContextVar[Caller] = ContextVar("caller", default=ANYBODY)


def caller() -> Caller:
    """The caller of the call that is being answered; ANYBODY outside a call."""
    return _caller.get()


def begin_caller(found: Caller) -> None:
    """Set the caller for the current task."""
    _caller.set(found)
