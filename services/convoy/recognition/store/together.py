"""Commands that many tasks ask for in the same moment travel together: a round trip costs more than most of them."""

import asyncio
from typing import Any

from convoy.recognition.store.connection import answered

# Redis answers nobody else meanwhile, which takes some milliseconds for this many.
MOST = 100
Asked = tuple[tuple[object, ...], "asyncio.Future[Any]"]


class Together:
    """Sends commands to one server. Each caller gets the answer to the own command, or its error."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._waiting: list[Asked] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def do(self, *command: object) -> Any:
        """Redis's answer. Raises what `answered` does, and ResponseError."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        if len(self._waiting) == 1:
            sending = asyncio.create_task(self._send())
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        return await future

    async def _send(self) -> None:
        """Whoever asks before this task has its turn comes along."""
        asked, self._waiting = self._waiting, []
        for start in range(0, len(asked), MOST):
            await self._send_some(asked[start : start + MOST])

    async def _send_some(self, asked: list[Asked]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for command, _ in asked:
            pipe.execute_command(*command)
        try:
            replies = await answered(pipe.execute(raise_on_error=False))
        except Exception as error:
            replies = [error] * len(asked)
        for (_, future), reply in zip(asked, replies, strict=True):
            if future.done():
                continue
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)
