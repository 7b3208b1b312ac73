"""Answers about a caller, and about how much a service has to do."""

from collections.abc import Mapping
from dataclasses import dataclass

from convoy.client.answers.answer import Answer
from convoy.v1 import status_pb2


@dataclass(frozen=True)
class CallerInfo(Answer):
    """Whom a service takes you for: name, and your scopes; None if nothing limits you."""

    name: str
    scopes: frozenset[str] | None


@dataclass(frozen=True)
class Load(Answer):
    """What a service had to do in the last `window_s` seconds.

    calls: status -> how many ended so; p50_ms, p95_ms: half and 95 % of them took at most so long; limited: refused
    since there was too much to do; in_flight, queue_depth: calls and pictures in work and waiting now.
    """

    version: str
    uptime_s: float
    window_s: float
    calls: Mapping[str, int]
    p50_ms: float
    p95_ms: float
    limited: int
    in_flight: int
    queue_depth: int
    is_overloaded: bool


def read_caller(message: status_pb2.GetCallerResponse) -> CallerInfo:
    """Whom the service takes you for."""
    return CallerInfo(message.name, frozenset(message.scopes) if message.is_limited else None)


def read_load(message: status_pb2.GetLoadResponse) -> Load:
    """What the service had to do."""
    return Load(
        message.version,
        message.uptime_s,
        message.window_s,
        {one.code: one.calls for one in message.calls},
        message.p50_ms,
        message.p95_ms,
        message.limited,
        message.in_flight,
        message.queue_depth,
        message.is_overloaded,
    )
