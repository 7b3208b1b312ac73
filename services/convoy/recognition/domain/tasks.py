"""Ends tasks that run beside the calls."""

import asyncio
from typing import Any

PATIENCE_S = 0.2


async def end(task: "asyncio.Task[Any] | None") -> None:
    """Cancel a task until it has ended. One cancellation may get lost while a connection is being made."""
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE_S)
