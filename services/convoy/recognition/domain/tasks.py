"""Work that runs beside the calls, or goes on after one: how it is ended, and how its end is awaited."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")
PATIENCE_S = 0.2
# Longer than the store and the disk may take.
LAST_WORK_S = 10.0

log = structlog.get_logger()
_going_on: "set[asyncio.Task[Any]]" = set()


async def end(task: "asyncio.Task[Any] | None") -> None:
    """Cancel a task until it has ended. One cancellation may get lost while a connection is being made."""
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE_S)


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives. It comes to its end even if the caller hangs up meanwhile."""
    task = asyncio.create_task(work)
    _going_on.add(task)
    task.add_done_callback(_going_on.discard)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_tell)
        raise


async def all_ended() -> None:
    """Return when what callers left behind has come to its end, or takes too long."""
    if _going_on:
        await asyncio.wait(_going_on, timeout=LAST_WORK_S)


def _tell(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("what a caller had asked for and did not wait for failed", problem=str(error) or repr(error))
