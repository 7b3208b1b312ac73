"""Looking at much of Redis: all fields of a large hash, and how many galleries stand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from redis.asyncio import RedisCluster

from convoy.recognition.domain.tasks import end
from convoy.recognition.store.connection import answered
from convoy.recognition.store.layout import keys_of
from convoy.recognition.store.lua import script_text

SCANNED = 1000


async def scanned(redis: Any, key: str) -> AsyncIterator[dict[bytes, bytes]]:
    """The fields of a hash in pages. While the caller works on a page, the next one is on its way."""
    coming: asyncio.Task[Any] | None = _page(redis, key, 0)
    try:
        while coming is not None:
            cursor, page = await coming
            coming = _page(redis, key, int(cursor)) if int(cursor) else None
            yield page
    finally:
        await end(coming)


def _page(redis: Any, key: str, cursor: int) -> "asyncio.Task[Any]":
    return asyncio.create_task(answered(redis.execute_command("HSCAN", key, cursor, "COUNT", SCANNED)))


async def surveyed(redis: Any, names: Sequence[str]) -> Sequence[Any]:
    """What the script survey says of all these galleries."""
    keys = [keys_of(name, "head", "meta", "expiry") for name in names]
    text, _ = script_text("survey")
    if not isinstance(redis, RedisCluster):
        flat = [key for its in keys for key in its]
        said: Sequence[Any] = await answered(redis.execute_command("EVAL", text, len(flat), *flat))
        return said
    # Each gallery is on a node of its own; the commands to one node travel together.
    pipe = redis.pipeline()
    for its in keys:
        pipe.execute_command("EVAL", text, len(its), *its)
    return [fact for its in await answered(pipe.execute()) for fact in its]
