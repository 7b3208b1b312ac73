"""Looks at Redis: whether it keeps what it acknowledges, how full it is, and whether its clock agrees with ours."""

import asyncio
from collections.abc import Iterator

from convoy.core.errors import ConvoyError, PermissionDenied
from convoy.doctor.findings import Finding, good, problem, warning
from convoy.recognition.store.condition import Condition, read_condition

MIB = 1 << 20
CLOCKS_AGREE_S = 2.0
FULL = 0.8
OLDEST = (6, 2)


def look_at_redis(url: str, password: str = "") -> Iterator[Finding]:
    """Ask the Redis of the galleries."""
    try:
        condition = asyncio.run(read_condition(url, password))
    except PermissionDenied as error:
        yield warning("Redis", error.message, "give --redis-url with an administrator's user to see more")
    except ConvoyError as error:
        yield warning("Redis", error.message, "only recognition needs it: CONVOY_REDIS_URL, or `convoy up`")
    else:
        yield from judge(condition)


def judge(condition: Condition) -> Iterator[Finding]:
    """Say what a condition means."""
    if tuple(int(part) for part in condition.version.split(".")[:2]) < OLDEST:
        yield problem("Redis", f"version {condition.version}", "recognition needs 6.2 or newer")
    else:
        yield good("Redis", f"version {condition.version}, {condition.role}, {condition.followers} followers")
    if not condition.keeps_log:
        yield problem(
            "Redis's log",
            "appendonly is off: galleries are lost when Redis stops",
            "set appendonly yes, appendfsync always",
        )
    elif condition.fsync != "always":
        advice = "set appendfsync always, or CONVOY_REDIS_WAIT_AOF=true"
        yield warning("Redis's log", f"appendfsync {condition.fsync}: the last second may be lost", advice)
    else:
        yield good("Redis's log", "a change is on disk before it is acknowledged")
    if condition.when_full != "noeviction":
        advice = "set maxmemory-policy noeviction"
        yield problem("Redis's memory", f"{condition.when_full} forgets people when it is full", advice)
    if condition.most_memory and condition.memory > FULL * condition.most_memory:
        says = f"{condition.memory / MIB:.0f} of {condition.most_memory / MIB:.0f} MiB are taken"
        yield warning("Redis's memory", says, "raise maxmemory: Redis refuses changes when it is full")
    else:
        yield good("Redis's memory", f"{condition.memory / MIB:.0f} MiB are taken")
    if abs(condition.clock_ahead_s) > CLOCKS_AGREE_S:
        says = f"its clock is {condition.clock_ahead_s:+.0f} s from this machine's"
        yield warning("clock", says, "run a time service on both: tokens, expiry and the audit go by the clock")
    else:
        yield good("clock", "agrees with Redis's")
