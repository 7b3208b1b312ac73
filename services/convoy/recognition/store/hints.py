"""Hints of Redis: the channel on which each script that changes a gallery says the gallery's name.

One connection listens for all galleries. On a Redis Cluster every node passes every message on, so any node will do.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from redis import exceptions
from redis.asyncio import RedisCluster

from convoy.core.errors import Unavailable
from convoy.recognition.store.connection import ANSWERS_IN_S, AWAY_ERRORS, answered

CHANNEL = "convoy:changes"
QUIET_S = 1.0


async def listened(redis: Any) -> AsyncIterator[str | None]:
    """Each name that is said; None when listening has begun, and whenever the store answers in silence.

    Raises Unavailable(STORE_UNAVAILABLE) when the store is away, or forbids to listen.
    """
    if isinstance(redis, RedisCluster):
        await answered(redis.initialize())
    try:
        async with aclosing(redis.pubsub()) as channel:
            await answered(channel.subscribe(CHANNEL))
            silent_s = 0.0
            while True:
                message = await channel.get_message(timeout=QUIET_S)
                if message is None:
                    silent_s += QUIET_S
                    if silent_s > ANSWERS_IN_S:
                        raise Unavailable("STORE_UNAVAILABLE", "the store (Redis) does not answer; try again")
                    await answered(channel.ping())
                    continue
                silent_s = 0.0
                yield message["data"].decode() if message["type"] == "message" else None
    except (*AWAY_ERRORS, exceptions.ResponseError) as error:
        raise Unavailable("STORE_UNAVAILABLE", "the store (Redis) gives no hints; try again") from error
