"""Makes the gRPC call of an HTTP request, and gives it up when the client hangs up."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import status_pb2
from starlette.requests import Request

from convoy.client.channels import Connection
from convoy.core.api import ServiceName
from convoy.core.errors import ConvoyError
from convoy.web import failures
from convoy.web.clients import Clients
from convoy.web.methods import Method
from convoy.web.requests import gone, outgoing_metadata, timeout_s


class ClientGone(Exception):
    """The client hung up: nobody reads an answer."""


class Backends:
    """The channels to the services, opened when they are first needed."""

    def __init__(self, connection: Connection, clients: Clients) -> None:
        self._connection = connection
        self._clients = clients
        self._channels: dict[ServiceName, grpc.aio.Channel] = {}

    @property
    def most_bytes(self) -> int:
        """The largest message of a service."""
        return self._connection.max_message_bytes

    async def unary(self, request: Request, method: Method, service: ServiceName, content: bytes) -> bytes:
        """Make a call with one request and one answer, both as bytes. The body of the request must have been read.

        Raises grpc.aio.AioRpcError, ClientGone, InvalidArgument(BAD_ARGUMENT).
        """
        stub: Any = self._channel(service).unary_unary(method.path)
        call = stub(content, **self._terms(request))
        leaving = asyncio.ensure_future(gone(request))
        leaving.add_done_callback(lambda _: call.cancel())  # nothing, once it has ended
        try:
            answer: bytes = await call
        except asyncio.CancelledError:
            if leaving.done():
                raise ClientGone from None
            raise
        finally:
            leaving.cancel()
        return answer

    async def ask(self, request: Request, method: Method, service: ServiceName, message: Message) -> Any:
        """Make a call and read its answer. Raises ConvoyError with the service's reason, ClientGone."""
        try:
            return method.response.FromString(await self.unary(request, method, service, message.SerializeToString()))
        except grpc.aio.AioRpcError as error:
            raise self.failure(error, service) from None

    def stream(self, request: Request, method: Method, service: ServiceName, contents: AsyncIterator[bytes]) -> Any:
        """Make a streaming call: an iterator of bytes that can be cancelled.

        Raises grpc.aio.AioRpcError while the answers are read, InvalidArgument(BAD_ARGUMENT).
        """
        stub: Any = self._channel(service).stream_stream(method.path)
        return stub(contents, **self._terms(request))

    def failure(self, error: grpc.aio.AioRpcError, service: ServiceName) -> ConvoyError:
        """The error that a service sent, as one of Convoy's."""
        return failures.to_error(error, service, self._connection.addresses[service])

    def status(self, error: grpc.aio.AioRpcError, service: ServiceName) -> status_pb2.Status:
        """The error that a service sent, as google.rpc.Status."""
        return failures.status_of(error, service, self._connection.addresses[service])

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels.values():
            await channel.close()

    def _terms(self, request: Request) -> dict[str, Any]:
        return {
            "metadata": outgoing_metadata(request, self._clients.address_of(request), self._clients.secret),
            "timeout": timeout_s(request, self._connection.timeout_s),
        }

    def _channel(self, service: ServiceName) -> grpc.aio.Channel:
        if service not in self._channels:
            self._channels[service] = self._connection.open_aio(service)
        return self._channels[service]
