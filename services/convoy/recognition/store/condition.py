"""What Redis says of itself, for those who look after it. Recognition never asks this: its own user may not."""

import time
from dataclasses import dataclass
from typing import Any

from redis import exceptions

from convoy.core.errors import PermissionDenied
from convoy.recognition.store.connection import answered, connect


@dataclass(frozen=True, slots=True)
class Condition:
    """memory in bytes, most_memory 0 for no limit. fsync: always, everysec, no, or empty."""

    version: str
    keeps_log: bool
    fsync: str
    memory: int
    most_memory: int
    when_full: str
    role: str
    followers: int
    clock_ahead_s: float


async def read_condition(url: str, password: str) -> Condition:
    """Ask Redis. Raises PermissionDenied(NOT_ALLOWED), Unavailable(STORE_UNAVAILABLE), InvalidArgument."""
    redis: Any = connect(url, (lambda: password) if password else None)
    try:
        facts = await answered(redis.info())
        seconds, microseconds = await answered(redis.time())
        ahead_s = seconds + microseconds / 1e6 - time.time()
        fsync = str((await answered(redis.config_get("appendfsync"))).get("appendfsync", ""))
    except exceptions.ResponseError:
        # No permission, or a Redis that somebody else looks after and that knows no CONFIG.
        message = "this user of Redis may not ask for INFO, TIME and CONFIG GET, or Redis does not answer them"
        raise PermissionDenied("NOT_ALLOWED", message) from None
    finally:
        await redis.aclose()
    return Condition(
        version=str(facts["redis_version"]),
        keeps_log=bool(facts["aof_enabled"]),
        fsync=fsync,
        memory=int(facts["used_memory"]),
        most_memory=int(facts["maxmemory"]),
        when_full=str(facts["maxmemory_policy"]),
        role=str(facts["role"]),
        followers=int(facts.get("connected_slaves", 0)),
        clock_ahead_s=ahead_s,
    )
