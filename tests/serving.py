"""Real servers on free ports, for tests that speak gRPC."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from convoy.core.serving.server import Server
from convoy.core.settings import Settings
from convoy.service_process import build
from google.rpc import error_details_pb2, status_pb2


class Running(NamedTuple):
    """A server and a channel to it."""

    server: Server
    channel: grpc.aio.Channel


class Refusal(NamedTuple):
    """What a failed call said."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str]
    retry_delay_s: float | None


@asynccontextmanager
async def running(name: str, models: Path, **settings: Any) -> AsyncIterator[Running]:
    """One service on a free port, drained at the end."""
    chosen = Settings(models=models, port=0, metrics_port=0, **settings)
    server = Server(await build(name, chosen), chosen)
    await server.start()
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options) as channel:
            yield Running(server, channel)
    finally:
        await server.drain()


async def refusal(call: Callable[..., Any] | Coroutine[Any, Any, Any], *arguments: Any) -> Refusal:
    """Make a call that must fail, and give what it said."""
    try:
        await call(*arguments)
    except grpc.aio.AioRpcError as error:
        return read_refusal(error)
    raise AssertionError("the call was answered")


def read_refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Status, ErrorInfo and RetryInfo of a failed call."""
    trailing = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    delay_s = None
    for detail in status.details:
        detail.Unpack(info)
        if detail.Unpack(retry):
            delay_s = retry.retry_delay.ToTimedelta().total_seconds()
    return Refusal(error.code(), info.reason, error.details() or "", dict(info.metadata), delay_s)
