"""Wraps every call: checks the caller, reads the message, turns errors into statuses. call_log.py logs and measures."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from convoy.core import errors
from convoy.core.api import MODEL_KEY
from convoy.core.security.callers import ANYBODY, Caller
from convoy.core.security.guard import Guard
from convoy.core.serving.admission import Gate
from convoy.core.serving.call_log import CallLog, read_metadata
from convoy.core.serving.status import Context, deadline

_QUIET = ("/grpc.health.", "/grpc.reflection.")
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler of one service. Anybody may call health and reflection."""

    def __init__(self, service: str, guard: Guard, gates: Mapping[str, Gate]) -> None:
        self._service = service
        self._guard = guard
        self._gates = gates
        # Without authentication, all callers share a method's handler.
        self._for_anybody: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[MaybeHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> MaybeHandler:
        """Wrap the handler that the call would go to."""
        method = handler_call_details.method
        if (known := self._for_anybody.get(method)) is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(_QUIET):
            return handler
        try:
            caller = self._guard.identify(method, handler_call_details.invocation_metadata or ())
        except errors.ConvoyError as error:
            return self._refusing(method, error)
        wrapped = (self._streaming if handler.response_streaming else self._unary)(handler, method, caller)
        if self._guard.is_open:
            self._for_anybody[method] = wrapped
        return wrapped

    def _refusing(self, method: str, error: errors.ConvoyError) -> Handler:
        """Make a handler that reads nothing: a stranger's 64 MiB must not fill the memory."""

        async def answer(requests: Any, context: Context) -> None:
            await CallLog(self._service, method, context, ANYBODY).fail(error)

        return _typed(grpc.stream_unary_rpc_method_handler(answer))

    async def _let_in(self, handler: Handler, method: str, content: Any, caller: Caller, context: Context) -> Any:
        """Read the request, or make the stream of requests, and check what the caller may do.

        Raises what the guard and the method's gate raise. The gate raises before the message is read.
        """
        peer, deserialize = context.peer(), handler.request_deserializer
        self._guard.count(caller, peer)
        if handler.request_streaming:
            return self._guard.each(method, _read_each(content, deserialize), caller, peer)
        if (gate := self._gates.get(method)) is not None:
            with gate.passing(deadline(context), read_metadata(context).get(MODEL_KEY)):
                content = await _receive(context)
        request = _read(content, deserialize)
        self._guard.admit(method, request, caller)
        return request

    def _unary(self, handler: Handler, method: str, caller: Caller) -> Handler:
        inner: Any = handler.unary_unary or handler.stream_unary

        async def respond(content: Any, context: Context) -> Any:
            request = await self._let_in(handler, method, content, caller, context)
            response = await inner(request, context)
            self._guard.hide(response, caller)
            return response

        async def answer(content: Any, context: Context) -> Any:
            call = CallLog(self._service, method, context, caller)
            try:
                response = await respond(content, context)
            except BaseException as error:
                await call.fail(error)
                raise
            call.finish("OK")
            return response

        wrap: Any = grpc.unary_unary_rpc_method_handler
        # gRPC receives a unary call's message before it calls the handler, but a stream's when the handler reads it.
        if handler.request_streaming or method in self._gates:
            wrap = grpc.stream_unary_rpc_method_handler
        return _typed(wrap(answer, None, handler.response_serializer))

    def _streaming(self, handler: Handler, method: str, caller: Caller) -> Handler:
        inner: Any = handler.unary_stream or handler.stream_stream

        async def answer(content: Any, context: Context) -> AsyncIterator[Any]:
            call = CallLog(self._service, method, context, caller)
            try:
                request = await self._let_in(handler, method, content, caller, context)
                async for response in inner(request, context):
                    self._guard.hide(response, caller)
                    yield response
            except BaseException as error:
                await call.fail(error)
                raise
            call.finish("OK")

        wrap: Any = grpc.unary_stream_rpc_method_handler
        if handler.request_streaming:
            wrap = grpc.stream_stream_rpc_method_handler
        return _typed(wrap(answer, None, handler.response_serializer))


async def _receive(context: Context) -> Any:
    """Receive the one message of a call, or EOF."""
    content: Any = await context.read()
    if content is grpc.aio.EOF:
        # The client sent none, or is gone. If it is gone, gRPC cancels the call while we read again.
        content = await context.read()
    return content


def _read(content: Any, deserialize: Any) -> Any:
    """Parse a message here, since gRPC answers malformed bytes with UNKNOWN. EOF: the call had no message."""
    try:
        if content is grpc.aio.EOF:
            raise DecodeError
        return deserialize(content)
    except DecodeError:
        raise errors.InvalidArgument("BAD_MESSAGE", "the bytes are not a message of this call") from None


async def _read_each(contents: AsyncIterator[bytes], deserialize: Any) -> AsyncIterator[Any]:
    async for content in contents:
        yield _read(content, deserialize)


def _typed(handler: Any) -> Handler:
    """Make a typed handler: grpc's stubs know only synchronous functions."""
    return handler  # type: ignore[no-any-return]
