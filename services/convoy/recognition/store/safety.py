"""Writes, and how safe each is before it is acknowledged."""

from typing import Any

from redis import exceptions

from convoy.core.errors import Unavailable
from convoy.recognition.store.base import NotSafe
from convoy.recognition.store.connection import answered

# How long to wait for the disk and for followers: less than `answered` allows.
SAFE_MS = 3000
REDIRECTIONS = 5


class Writer:
    """Sends writes, and returns when each is as safe as was asked.

    wait_aof: on the master's disk (WAITAOF, Redis 7.2 or newer). replicas: with so many followers too; with wait_aof
    on their disks, else in their memory (WAIT).
    """

    def __init__(self, redis: Any, wait_aof: bool = False, replicas: int = 0) -> None:
        self._redis = redis
        self._wait_aof = wait_aof
        self._replicas = replicas

    @property
    def waits(self) -> bool:
        """Whether a write is asked to be safer than by the server's own settings."""
        return self._wait_aof or self._replicas > 0

    async def write(self, key: str, *command: object) -> Any:
        """Redis's answer to a command that writes `key`.

        Raises NotSafe(NOT_REPLICATED) if it is written, but not with as many followers as asked, and
        NotSafe(STORE_UNAVAILABLE) if it is not on the disk yet; Unavailable(STORE_UNAVAILABLE).
        """
        if not self.waits:
            return await answered(self._redis.execute_command(*command))
        if self._wait_aof:
            reply, (local, replicas) = await self._both(key, command, ("WAITAOF", 1, self._replicas, SAFE_MS))
            if local < 1:
                message = "the change is not on the store's disk yet; try again"
                raise _not_safe(NotSafe("STORE_UNAVAILABLE", message), reply)
        else:
            reply, replicas = await self._both(key, command, ("WAIT", self._replicas, SAFE_MS))
        if replicas < self._replicas:
            message = (
                f"the change is made, but {replicas} of {self._replicas} followers of the store have it, and a "
                "failover could undo it; repeat the call with its request_id"
            )
            facts = {"replicas": replicas, "wanted": self._replicas}
            raise _not_safe(NotSafe("NOT_REPLICATED", message, facts), reply)
        return reply

    async def _both(self, key: str, command: tuple[object, ...], waiting: tuple[object, ...]) -> Any:
        """The answers to both, on one connection: a server waits for what that very connection wrote."""
        if not hasattr(self._redis, "get_node_from_key"):
            pipe = self._redis.pipeline(transaction=False)
            pipe.execute_command(*command).execute_command(*waiting)
            return await answered(pipe.execute())
        for _ in range(REDIRECTIONS):
            await answered(self._redis.initialize())
            pipe = self._redis.pipeline()
            pipe.execute_command(*command)
            pipe.execute_command(*waiting, target_nodes=self._redis.get_node_from_key(key))
            try:
                return await answered(pipe.execute(allow_redirections=False))
            except (exceptions.MovedError, exceptions.AskError, exceptions.TryAgainError):
                # The slot has gone elsewhere. Asking for the key finds out where.
                await answered(self._redis.execute_command("EXISTS", key))
        raise Unavailable("STORE_UNAVAILABLE", "the store (Redis) is moving the gallery to another node; try again")


def _not_safe(error: NotSafe, reply: object) -> NotSafe:
    error.reply = reply
    return error
