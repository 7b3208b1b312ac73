"""Wraps every call: checks the caller, sets the request's id, turns errors into statuses, logs and measures."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from convoy.core import errors
from convoy.core.api import MODEL_KEY
from convoy.core.security.callers import ANYBODY, Caller, begin_caller
from convoy.core.security.guard import Guard
from convoy.core.serving.admission import Gate
from convoy.core.serving.status import STATUS_KEY, Context, deadline, to_status
from convoy.core.telemetry import begin_request, call_count, call_seconds, calls_in_flight
from convoy.core.tracing import begin_call, end_call

log = structlog.get_logger()
REQUEST_ID_KEY = "x-request-id"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
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
            await _Call(self._service, method, context, ANYBODY).fail(error)

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
            with gate.passing(deadline(context), _metadata(context).get(MODEL_KEY)):
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
            call = _Call(self._service, method, context, caller)
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
            call = _Call(self._service, method, context, caller)
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


class _Call:
    """The id, time, log line and metrics of one call."""

    def __init__(self, service: str, method: str, context: Context, caller: Caller) -> None:
        self._service = service
        self._method = method.rpartition("/")[2]
        self._context = context
        self._caller = {"caller": caller.name} if caller.name else {}
        self._started = time.perf_counter()
        begin_caller(caller)
        metadata = _metadata(context)
        self._span = begin_call(method, metadata)
        self._id = begin_request(metadata.get(REQUEST_ID_KEY, ""))
        calls_in_flight(service).inc()
        context.set_trailing_metadata(((REQUEST_ID_KEY, self._id),))

    def finish(self, code: str, **facts: object) -> None:
        elapsed_s = time.perf_counter() - self._started
        calls_in_flight(self._service).dec()
        call_count(self._service, self._method, code).inc()
        call_seconds(self._service, self._method).observe(elapsed_s)
        end_call(self._span, code)
        ms = round(elapsed_s * 1000, 1)
        if code == "INTERNAL":
            log.error("call", method=self._method, code=code, ms=ms, **self._caller, **facts)
        else:
            log.info("call", method=self._method, code=code, ms=ms, **self._caller, **facts)

    async def fail(self, error: BaseException) -> None:
        """End the call with the error's status, by raising. Return only if the caller must raise the error itself."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            return self.finish("CANCELLED")
        if self._context.code() not in (None, 0, grpc.StatusCode.OK):
            # The handler has aborted the call itself.
            return self.finish(str(self._context.code()))
        status = to_status(error)
        code = _CODES[status.code]
        unexpected = {"exc_info": error} if code is grpc.StatusCode.INTERNAL else {"reason": _reason(error)}
        self.finish(code.name, **unexpected)
        trailing = ((REQUEST_ID_KEY, self._id), (STATUS_KEY, status.SerializeToString()))
        # gRPC keeps the error in a cycle of references. Drop its frames, so that they do not keep the message alive.
        error.__traceback__ = None
        await self._context.abort(code, status.message, trailing)


def _reason(error: BaseException) -> str:
    return error.reason if isinstance(error, errors.ConvoyError) else type(error).__name__


def _metadata(context: Context) -> dict[str, str]:
    """Return the call's metadata without binary entries."""
    pairs = context.invocation_metadata() or ()
    return {key: value for key, value in pairs if isinstance(value, str)}
