"""What a call leaves behind."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.security.guard import Guard
from convoy.core.serving.answers import reserve
from convoy.core.serving.interceptors import CallInterceptor
from convoy.core.serving.streaming import answer_in_order
from convoy.core.settings import Settings

METHOD = "/test.Service/Method"
FAILING, SLEEPING = b"fail", b"sleep"
LARGE = 2**20


class Message:
    """Stands for a large request: whether it is gone can be asked."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        alive.append(weakref.ref(self))


alive: list["weakref.ref[Message]"] = []


async def answer(message: Message, context: object) -> bytes:
    if message.content == FAILING:
        raise InvalidArgument("WRONG", "it is wrong")
    if message.content == SLEEPING:
        await asyncio.sleep(60)
    return message.content


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server = grpc.aio.server(interceptors=[CallInterceptor("test", Guard("test", Settings()), {})])
    handler = grpc.unary_unary_rpc_method_handler(answer, Message)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Service", {"Method": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.mark.parametrize("content", [b"good", FAILING, SLEEPING])
async def test_the_message_of_a_call_is_freed_with_it_however_it_ends(address: str, content: bytes) -> None:
    alive.clear()
    gc.collect()
    gc.disable()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            for number in range(5):
                call = channel.unary_unary(METHOD)(content)
                if content == SLEEPING:
                    while len(alive) <= number:
                        await asyncio.sleep(0.01)
                    call.cancel()
                with suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                    await call
            for _ in range(100):
                if not any(message() for message in alive):
                    break
                await asyncio.sleep(0.01)
        assert [message() for message in alive] == [None] * 5
    finally:
        gc.enable()


async def measure() -> int:
    return LARGE


async def answer_large(messages: AsyncIterator[bytes], context: object) -> AsyncIterator[bytes]:
    async def one(content: bytes) -> bytes:
        await reserve(measure)
        return bytes(LARGE)

    async for response in answer_in_order(messages, one, lambda content, error: b""):
        yield response


async def test_a_stream_that_is_left_while_it_is_answered_gives_back_its_room() -> None:
    interceptor = CallInterceptor("test", Guard("test", Settings()), {})
    server = grpc.aio.server(interceptors=[interceptor])
    handler = grpc.stream_stream_rpc_method_handler(answer_large, bytes)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Service", {"Method": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    rooms = interceptor._answers.room, interceptor._receiver.room
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.stream_stream(METHOD)()
            for _ in range(20):
                await call.write(b"one")  # and read no answer
            while rooms[0].used < 8 * LARGE:
                await asyncio.sleep(0.01)
            call.cancel()
            async with asyncio.timeout(20):
                while any(room.used for room in rooms):
                    await asyncio.sleep(0.01)
    finally:
        await server.stop(None)
