"""Wraps every call: checks the caller, receives the message, turns errors into statuses.

call_log.py logs and measures the call; receiving.py bounds its messages.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, nullcontext
from functools import cache, partial
from typing import Any, TypeAlias

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from convoy.core import errors
from convoy.core.api import MODEL_KEY
from convoy.core.security.callers import ANYBODY, Caller
from convoy.core.security.doors import Doors
from convoy.core.security.guard import Guard
from convoy.core.security.scopes import PRIORITY, weight_of
from convoy.core.serving.admission import Gate
from convoy.core.serving.answers import Answers, too_large
from convoy.core.serving.call_log import CallLog, read_metadata
from convoy.core.serving.open_calls import OpenCalls
from convoy.core.serving.receiving import Expected, Receiver, call_patience_s, caller_key
from convoy.core.serving.room import Held
from convoy.core.serving.status import STATUS_KEY, Context, deadline, to_status
from convoy.core.serving.wire import Bounds, bounds_of
from convoy.core.turns import Turn, begin_turn

_QUIET = ("/grpc.health.", "/grpc.reflection.")
_LARGEST_MESSAGE = 64 * 2**20
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler of one service. Anybody may call health and reflection.

    images: most pictures in a call, which bounds what a message may hold; doors: whom limits count if a web door calls.
    """

    def __init__(
        self,
        service: str,
        guard: Guard,
        gates: Mapping[str, Gate],
        receiver: Receiver | None = None,
        images: int = 0,
        doors: Doors | None = None,
    ) -> None:
        self._service = service
        self._guard = guard
        self._gates = gates
        self._receiver = receiver or Receiver(_LARGEST_MESSAGE)
        self._images = images
        self._doors = doors or Doors()
        self._answers = Answers(self._receiver.most_message)
        self._open_calls = OpenCalls()
        self.handled = 0
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[MaybeHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> MaybeHandler:
        """Wrap the handler that the call would go to."""
        self.handled += 1
        method = handler_call_details.method
        if (known := self._handlers.get(method)) is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        wrap = self._streaming if handler.response_streaming else self._unary
        if method.startswith(_QUIET):
            wrap = self._quiet
        wrapped = self._handlers[method] = wrap(handler, method)
        return wrapped

    async def _identify(self, method: str, context: Context) -> Caller:
        """Find out who calls, or end the call unread: a stranger's 64 MiB must not fill the memory."""
        if self._guard.is_open:
            return ANYBODY
        caller, peer = ANYBODY, self._client(context)
        try:
            caller = self._guard.identify(method, context.invocation_metadata() or (), peer)
            self._guard.admit_unseen(method, caller)
            return caller
        except errors.ConvoyError as error:
            refusal = error
        try:
            self._guard.count_refused(peer)
        except errors.ConvoyError as limited:
            await _abort(context, limited)  # no line in the log
        await CallLog(self._service, method, context, caller).fail(refusal)
        raise refusal

    def _quiet(self, handler: Handler, method: str) -> Handler:
        """Make a handler for health or reflection: no log line, and small messages alone."""
        expected, deserialize = self._expected(method, is_open=True), handler.request_deserializer
        inner: Any = handler.unary_unary or handler.unary_stream or handler.stream_stream

        async def respond(context: Context, held: Held) -> None:
            who = caller_key("", self._client(context))
            if handler.request_streaming:
                content: Any = _read_each(self._receiver.each(context, who, expected, held), deserialize)
            else:
                content = _read(await self._receiver.one(context, who, expected, held), deserialize)
            responses = inner(content, context)
            if inspect.isasyncgen(responses):
                async for response in responses:
                    await context.write(response)
            elif (response := await responses) is not None:
                await context.write(response)

        async def answer(requests: Any, context: Context) -> None:
            who = caller_key("", self._client(context))
            try:
                self._guard.count_stranger(self._client(context))
                with self._open_calls.one_more(who), self._receiver.holding(who) as held:
                    await respond(context, held)
            except errors.ConvoyError as error:
                await _abort(context, error)

        return _typed(grpc.stream_stream_rpc_method_handler(answer, None, handler.response_serializer))

    def _begin_turn(self, caller: Caller, context: Context) -> str:
        """Set whose turn this call takes in queues, and return the caller's key."""
        peer = self._client(context)
        who = caller_key(caller.name, peer)
        granted = caller.scopes
        begin_turn(Turn(who, peer) if granted is None else Turn(who, peer, weight_of(granted), PRIORITY in granted))
        return who

    def _client(self, context: Context) -> str:
        """Whom limits count: the peer, or the client for whom a web door calls."""
        if not self._doors.are_believed:
            return context.peer()
        return self._doors.client_of(context.peer(), context.invocation_metadata() or ())

    def _expected(self, method: str, is_open: bool) -> Expected:
        kind = _request_kind(method)
        return Expected(kind, bounds_of(kind, self._images) if kind is not None else Bounds(), is_open)

    async def _let_in(
        self, handler: Handler, method: str, expected: Expected, caller: Caller, context: Context, held: Held
    ) -> Any:
        """Receive the request, or make the stream of requests, and check what the caller may do.

        Raises what the guard and the method's gate raise. The gate raises before the message is received.
        """
        peer, deserialize = self._client(context), handler.request_deserializer
        self._guard.count(caller, peer)
        who = caller_key(caller.name, peer)
        if handler.request_streaming:
            contents = self._receiver.each(context, who, expected, held)
            return self._guard.each(method, _read_each(contents, deserialize), caller, peer)
        gate = self._gates.get(method)
        passing = gate.passing(deadline(context), read_metadata(context).get(MODEL_KEY)) if gate else nullcontext()
        with passing:
            content = await self._receiver.one(context, who, expected, held)
        request = _read(content, deserialize)
        self._guard.admit(method, request, caller)
        return request

    def _unary(self, handler: Handler, method: str) -> Handler:
        inner: Any = handler.unary_unary or handler.stream_unary
        expected = self._expected(method, self._guard.is_open_to_all(method))

        async def respond(context: Context, caller: Caller) -> None:
            who = self._begin_turn(caller, context)
            with (
                self._open_calls.one_more(who),
                self._answers.of_call(who, context.peer(), partial(call_patience_s, context)) as answers,
            ):
                with self._receiver.holding(who) as held:
                    request = await self._let_in(handler, method, expected, caller, context, held)
                    response = await inner(request, context)
                self._guard.hide(response, caller)
                if (size := response.ByteSize()) > answers.most_message:
                    raise too_large(size, answers.most_message)
                await context.write(response)

        async def answer(requests: Any, context: Context) -> None:
            caller = await self._identify(method, context)
            call = CallLog(self._service, method, context, caller)
            try:
                await respond(context, caller)
            except BaseException as error:
                await call.fail(error)
                raise
            call.finish("OK")

        # gRPC receives a unary call's message before it calls the handler, but a stream's when the handler reads it. It
        # also tells when an answer of a stream is sent. On the wire, a call's only answer is one answer of a stream.
        return _typed(grpc.stream_stream_rpc_method_handler(answer, None, handler.response_serializer))

    def _streaming(self, handler: Handler, method: str) -> Handler:
        inner: Any = handler.unary_stream or handler.stream_stream
        expected = self._expected(method, self._guard.is_open_to_all(method))

        async def answer(requests: Any, context: Context) -> AsyncIterator[Any]:
            caller = await self._identify(method, context)
            call = CallLog(self._service, method, context, caller)
            try:
                who = self._begin_turn(caller, context)
                with (
                    self._open_calls.one_more(who),
                    self._receiver.holding(who) as held,
                    self._answers.of_call(who, context.peer(), partial(call_patience_s, context)) as answers,
                ):
                    request = await self._let_in(handler, method, expected, caller, context, held)
                    # Where the caller leaves, the work for it ends at once.
                    async with aclosing(inner(request, context)) as responses:
                        async for response in responses:
                            self._guard.hide(response, caller)
                            yield response
                            if handler.request_streaming:  # Each message has one answer, in order.
                                held.answered()
                                answers.sent()
            except BaseException as error:
                await call.fail(error)
                raise
            call.finish("OK")

        return _typed(grpc.stream_stream_rpc_method_handler(answer, None, handler.response_serializer))


async def _abort(context: Context, error: errors.ConvoyError) -> None:
    """End a call with an error, without a line in the log and without metrics."""
    status = to_status(error)
    # As in CallLog.fail: gRPC keeps the error, and its frames would keep the message alive.
    error.__traceback__ = None
    await context.abort(grpc.StatusCode[error.code], status.message, ((STATUS_KEY, status.SerializeToString()),))


@cache
def _request_kind(method: str) -> Descriptor | None:
    """The type of a method's requests (/package.Service/Method); None for one that no proto here describes."""
    try:
        found = descriptor_pool.Default().FindMethodByName(method.lstrip("/").replace("/", "."))
    except KeyError:
        return None
    kind: Descriptor = found.input_type
    return kind


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
