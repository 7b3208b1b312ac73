"""Another service over gRPC, as recognition calls it: with its own token, and its caller's deadline and request id."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from convoy.client.channels import Connection
from convoy.client.credentials import Credentials
from convoy.client.failures import read_failure
from convoy.core.api import ServiceName
from convoy.core.errors import (
    ConvoyError,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from convoy.core.settings import Settings
from convoy.core.tracing import outgoing_trace
from convoy.recognition.domain.caller import current_call

# Errors about the caller's picture or time: they are passed on as they are.
PASSED_ON = (InvalidArgument, NotFound, FailedPrecondition, ResourceExhausted, DeadlineExceeded)
AWAY = {"faces": "FACES_UNAVAILABLE", "classification": "CLASSIFICATION_UNAVAILABLE"}
"""The reason of the error when a service cannot be reached."""


class ServiceClient:
    """A connection to one service of AWAY. Calls raise its errors, and Unavailable when it is away."""

    def __init__(
        self, settings: Settings, service: ServiceName, address: str, stub: Callable[[grpc.aio.Channel], Any]
    ) -> None:
        self._service: ServiceName = service
        self._address = address
        self._make_stub = stub
        self._credentials = Credentials(settings.of_client)
        self._connection = Connection(
            {service: address}, settings.timeout_s, settings.max_message_mb << 20, self._credentials, may_proxy=False
        )
        self._open()
        self._closing: asyncio.Future[None] | None = None

    def _open(self) -> None:
        self._pem = self._credentials.pem()
        self._channel = self._connection.open_aio(self._service)
        self._stub = self._make_stub(self._channel)

    def _renew(self) -> None:
        """Connect anew after certificates were rotated; calls on the old channel may finish."""
        if self._credentials.pem() is not self._pem:
            self._closing = asyncio.ensure_future(self._channel.close(self._connection.timeout_s))
            self._open()

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()
        if self._closing is not None:
            await self._closing

    async def call(self, method: str, request: Any) -> Any:
        """Send a request and return the response."""
        self._renew()
        call = current_call()
        metadata = self._credentials.metadata() + outgoing_trace()
        if call.request_id:
            metadata += (("x-request-id", call.request_id),)
        try:
            return await getattr(self._stub, method)(request, timeout=call.remaining_s(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise self._passed_on(read_failure(error, self._service, self._address)) from None

    def _passed_on(self, error: ConvoyError) -> ConvoyError:
        if isinstance(error, PASSED_ON):
            return error
        return Unavailable(AWAY[self._service], f"the {self._service} service is away: {error}", error.metadata)
