"""Answers streams of requests in order; a bad request gets its error, and the stream goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from convoy.core.errors import ConvoyError
from convoy.core.serving.answers import Place, at, next_place
from convoy.core.serving.status import stream_error

Request = TypeVar("Request")
Response = TypeVar("Response")
_AHEAD = 8


async def answer_in_order(
    requests: AsyncIterator[Request],
    answer: Callable[[Request], Awaitable[Response]],
    refuse: Callable[[Request, ConvoyError], Response],
    conclude: Callable[[Request, Response], None] = lambda request, response: None,
) -> AsyncIterator[Response]:
    """Answer requests in order, working on up to 8 at a time; `refuse` turns a ConvoyError into a response.

    conclude: sees each request with its response in their order, to add what depends on those before.
    """

    async def one(request: Request, place: Place) -> Response:
        with at(place):
            try:
                return await answer(request)
            except ConvoyError as error:
                return refuse(request, error)

    async def read() -> None:
        try:
            async for request in requests:
                task = asyncio.ensure_future(one(request, next_place()))
                working.add(task)
                task.add_done_callback(working.discard)
                await pending.put((request, task))
        finally:
            await pending.put(None)

    working: set[asyncio.Future[Response]] = set()
    pending: asyncio.Queue[tuple[Request, asyncio.Future[Response]] | None] = asyncio.Queue(_AHEAD)
    reader = asyncio.ensure_future(read())
    try:
        while (item := await pending.get()) is not None:
            request, task = item
            response = await task
            conclude(request, response)
            yield response
        await reader
    finally:
        reader.cancel()
        for left in list(working):
            left.cancel()
        while not pending.empty():  # so that the reader can end
            pending.get_nowait()


def answer_stream(
    requests: AsyncIterator[Any],
    answer: Callable[[Any], Awaitable[Any]],
    reply: Callable[..., Response],
    conclude: Callable[[Any, Response], None] = lambda request, response: None,
) -> AsyncIterator[Response]:
    """Answer a stream whose messages have an `id` and a `request`, with replies of the same id, in order.

    answer: from a message of the stream to the response to its request; reply: the message of the stream, which holds a
    response or an error; conclude: see answer_in_order.
    """

    async def one(message: Any) -> Response:
        return reply(id=message.id, response=await answer(message))

    def refuse(message: Any, error: ConvoyError) -> Response:
        return reply(id=message.id, error=stream_error(error))

    return answer_in_order(requests, one, refuse, conclude)
