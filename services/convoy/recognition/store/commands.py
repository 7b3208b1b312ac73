"""Commands and scripts of Redis, run as each has to be: alone, together with others, or until they are safe."""

from collections.abc import Callable, Sequence
from typing import Any

from redis import exceptions
from redis.asyncio import Redis, RedisCluster

from convoy.recognition.store.base import NotSafe
from convoy.recognition.store.connection import answered, connect
from convoy.recognition.store.layout import is_made
from convoy.recognition.store.lua import script_text
from convoy.recognition.store.safety import Writer
from convoy.recognition.store.together import Together


class RedisCommands:
    """A client of Redis, and how it runs commands and scripts.

    password: asked for at each new connection, unless the URL has one. keep: about how many changes a gallery's stream
    keeps. wait_aof: acknowledge a change only when Redis has it on disk (WAITAOF, Redis 7.2 or newer); with
    `appendfsync always` Redis does so anyway. wait_replicas: and when so many followers have it.
    """

    def __init__(
        self,
        url: str,
        password: Callable[[], str] | None = None,
        keep: int = 1_000_000,
        wait_aof: bool = False,
        wait_replicas: int = 0,
    ) -> None:
        self._keep = keep
        self._redis: Any = connect(url, password)
        self._writer = Writer(self._redis, wait_aof, wait_replicas)
        # The galleries of a cluster lie on several nodes.
        self._together = self._do if isinstance(self._redis, RedisCluster) else Together(self._redis).do
        pool = getattr(self._redis, "connection_pool", None)
        self._sentinels: list[Redis] = getattr(getattr(pool, "sentinel_manager", None), "sentinels", [])

    async def ping(self) -> None:
        """See Store."""
        await self._do("PING")

    async def close(self) -> None:
        """See Store."""
        await self._redis.aclose()
        # redis-py closes the master's connections, but not those to the sentinels.
        for sentinel in self._sentinels:
            await sentinel.aclose()

    async def command(self, *words: object) -> Any:
        """Run any other command, for what is kept beside galleries."""
        return await self._do(*words)

    async def script(self, name: str, keys: Sequence[str], *arguments: object) -> Any:
        """Run a script of the folder scripts, for what is kept beside galleries: nobody waits until it is safe."""
        return await self._script(self._do, name, keys, *arguments)

    @staticmethod
    async def _script(do: Callable[..., Any], name: str, keys: Sequence[str], *arguments: object) -> Any:
        text, digest = script_text(name)
        try:
            return await do("EVALSHA", digest, len(keys), *keys, *arguments)
        except exceptions.NoScriptError:
            return await do("EVAL", text, len(keys), *keys, *arguments)

    async def _run(self, name: str, keys: Sequence[str], *arguments: object) -> Any:
        text, digest = script_text(name)
        try:
            try:
                return await self._writer.write(keys[0], "EVALSHA", digest, len(keys), *keys, *arguments)
            except exceptions.NoScriptError:
                return await self._writer.write(keys[0], "EVAL", text, len(keys), *keys, *arguments)
        except NotSafe as error:
            if is_made(error.reply):
                raise
            return error.reply

    async def _do(self, *command: object) -> Any:
        return await answered(self._redis.execute_command(*command))
