"""Every RPC by the Connect protocol (connectrpc.com/docs/protocol): POST /package.Service/Method, JSON or protobuf.

Streams come and go in Connect's envelopes. Over HTTP/1.1 a client sends all its messages before it reads answers; over
HTTP/2 both ways run at the same time.
"""

import asyncio
import base64
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from convoy.core.api import SERVICES, ServiceName
from convoy.core.errors import ConvoyError, InvalidArgument, NotFound
from convoy.core.serving.status import to_status
from convoy.web.calls import Backends
from convoy.web.holding import SCOPE_KEY
from convoy.web.json_messages import dump, read_binary, read_json, write_json
from convoy.web.methods import Method, methods
from convoy.web.requests import body, chunks, gone, too_large

VERSION_HEADER = "connect-protocol-version"
ENCODING_HEADER = "connect-content-encoding"
UNARY = {"application/json": True, "application/proto": False}
STREAMING = {"application/connect+json": True, "application/connect+proto": False}
JSON_GROWTH = 4 / 3
"""Bytes in JSON are base64."""
COMPRESSED, LAST = 1, 2
"""Flags of an envelope."""
_HEAD_BYTES = 5
STATUS = {
    "canceled": 499,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "unavailable": 503,
    "unauthenticated": 401,
}
"""HTTP status of an error of Connect; 500 for the others."""


def routes(backends: Backends) -> list[Route]:
    """The routes. What several services answer is asked under /services/{service}/."""
    door = _Door(backends)
    made = []
    for method in methods().values():
        endpoint = door.endpoint(method)
        made.append(Route(method.path, endpoint, methods=["POST"]))
        made.append(Route(f"/services/{{service}}{method.path}", endpoint, methods=["POST"]))
    return made


class _Door:
    """Answers calls of the protocol."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    def endpoint(self, method: Method) -> Callable[[Request], Awaitable[Response]]:
        streams = method.streams_requests or method.streams_responses

        async def answer(request: Request) -> Response:
            media_type = media_type_of(request)
            is_json = (STREAMING if streams else UNARY).get(media_type)
            if is_json is None:
                accepted = ", ".join(STREAMING if streams else UNARY)
                return Response(status_code=415, headers={"Accept-Post": accepted})
            if streams:
                return self._stream(request, method, is_json)
            try:
                return await self._unary(request, method, is_json)
            except ConvoyError as error:
                return _refuse(to_status(error))

        return answer

    async def _unary(self, request: Request, method: Method, is_json: bool) -> Response:
        service = _service_of(request, method)
        _check_version(request)
        content = await body(request, self._most(is_json))
        content = inflated(content, request.headers.get("content-encoding", ""), self._most(is_json))
        if is_json:
            content = read_json(content, method.request).SerializeToString()
        else:
            read_binary(content, method.request)
        try:
            answer = await self._backends.unary(request, method, service, content)
        except grpc.aio.AioRpcError as error:
            return _refuse(self._backends.status(error, service))
        if is_json:
            return Response(write_json(method.response.FromString(answer)), media_type="application/json")
        return Response(answer, media_type="application/proto")

    def _stream(self, request: Request, method: Method, is_json: bool) -> Response:
        media_type = "application/connect+json" if is_json else "application/connect+proto"
        return Streamed(self._answers(request, method, is_json), media_type)

    async def _answers(self, request: Request, method: Method, is_json: bool) -> AsyncGenerator[bytes, None]:
        """The envelopes of a stream's answers; the last one says how it ended."""
        ending: dict[str, Any] = {}
        try:
            service = _service_of(request, method)
            _check_version(request)
            sent = _Sent(request, method.request, is_json, self._most(is_json))
            call = self._backends.stream(request, method, service, sent.messages())
            watching = asyncio.ensure_future(sent.cancel_when_gone(call))
            try:
                async for answer in call:
                    yield envelope(write_json(method.response.FromString(answer)) if is_json else answer)
            except grpc.aio.AioRpcError as error:
                ending = {"error": describe(self._backends.status(error, service))}
            finally:
                watching.cancel()
                call.cancel()
            if sent.refusal is not None:
                ending = {"error": describe(to_status(sent.refusal))}
        except ConvoyError as error:
            ending = {"error": describe(to_status(error))}
        yield envelope(dump(ending), LAST)

    def _most(self, is_json: bool) -> int:
        return round(self._backends.most_bytes * (JSON_GROWTH if is_json else 1)) + 4096


class _Sent:
    """The messages that a client sends in a stream."""

    def __init__(self, request: Request, kind: type[Message], is_json: bool, most: int) -> None:
        self._request = request
        self._kind = kind
        self._is_json = is_json
        self._most = most
        self._is_read = asyncio.Event()
        self.refusal: ConvoyError | None = None

    async def messages(self) -> AsyncIterator[bytes]:
        """Their bytes, as protobuf. gRPC reads these and hides what goes wrong here, so `refusal` keeps it."""
        encoding = self._request.headers.get(ENCODING_HEADER, "")
        try:
            async for flags, content in envelopes(self._request, self._most):
                if flags & COMPRESSED:
                    content = inflated(content, encoding, self._most)
                message = read_json(content, self._kind) if self._is_json else read_binary(content, self._kind)
                yield message.SerializeToString()
        except ConvoyError as error:
            self.refusal = error
        self._is_read.set()

    async def cancel_when_gone(self, call: Any) -> None:
        """Cancel the call when the client hangs up; while messages come, their reader sees that."""
        await self._is_read.wait()
        await gone(self._request)
        call.cancel()


class Streamed(Response):
    """Sends parts as they come. (Starlette's own would take what the client sends, to see whether it hangs up.)"""

    def __init__(self, parts: AsyncGenerator[bytes, None], media_type: str) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._parts) as parts:
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def media_type_of(request: Request) -> str:
    """The content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def envelope(content: bytes, flags: int = 0) -> bytes:
    """One message of a stream on the wire."""
    return bytes((flags,)) + len(content).to_bytes(4, "big") + content


async def envelopes(request: Request, most: int) -> AsyncIterator[tuple[int, bytes]]:
    """The messages of a body as (flags, content). Raises InvalidArgument(MESSAGE_TOO_LARGE, BAD_MESSAGE)."""
    waiting, holding = bytearray(), request.scope[SCOPE_KEY]
    # The stream may be as long as the client likes; each message of it is bounded.
    async for chunk in chunks(request, 2**63):
        waiting += chunk
        while len(waiting) >= _HEAD_BYTES:
            size = int.from_bytes(waiting[1:_HEAD_BYTES], "big")
            if size > most:
                raise too_large(most)
            if len(waiting) < _HEAD_BYTES + size:
                break
            yield waiting[0], bytes(waiting[_HEAD_BYTES : _HEAD_BYTES + size])
            del waiting[: _HEAD_BYTES + size]
            holding.give(_HEAD_BYTES + size)
    if waiting:
        raise InvalidArgument("BAD_MESSAGE", "the stream ends inside a message")


def inflated(content: bytes, encoding: str, most: int) -> bytes:
    """The content without its compression, at most so many bytes. Raises InvalidArgument(BAD_MESSAGE, ...)."""
    if encoding in ("", "identity"):
        return content
    if encoding != "gzip":
        raise InvalidArgument(
            "UNSUPPORTED_MEDIA_TYPE", f"the encoding {encoding[:40]!r} is not served; send gzip or none"
        )
    inflater = zlib.decompressobj(wbits=31)
    try:
        made = inflater.decompress(content, most + 1)
    except zlib.error:
        raise InvalidArgument("BAD_MESSAGE", "the body is not gzip") from None
    if len(made) > most:
        raise too_large(most)
    if not inflater.eof:
        raise InvalidArgument("BAD_MESSAGE", "the gzip data ends too early")
    return made


def describe(status: status_pb2.Status) -> dict[str, Any]:
    """A status as Connect's error: code, message, details."""
    name = code_pb2.Code.Name(status.code) if status.code in code_pb2.Code.values() else "UNKNOWN"
    error: dict[str, Any] = {"code": "canceled" if name == "CANCELLED" else name.lower(), "message": status.message}
    if status.details:
        error["details"] = [
            {"type": detail.TypeName(), "value": base64.b64encode(detail.value).decode().rstrip("=")}
            for detail in status.details
        ]
    return error


def _refuse(status: status_pb2.Status) -> Response:
    error = describe(status)
    return Response(dump(error), STATUS.get(error["code"], 500), media_type="application/json")


def _service_of(request: Request, method: Method) -> ServiceName:
    """Which service is asked: the one in the path, or the only one that answers this call."""
    named = request.path_params.get("service")
    if named is None and len(method.services) == 1:
        return method.services[0]
    if named is None:
        hint = f"ask /services/{method.services[0]}{method.path}, or the like of {', '.join(method.services[1:])}"
        raise NotFound("NO_SUCH_PATH", f"several services answer {method.name}", hint=hint)
    found = next((service for service in SERVICES if service == named), None)
    if found is None or found not in method.services:
        raise NotFound("NO_SUCH_PATH", f"there is no service {str(named)[:40]!r} that answers {method.name}")
    return found


def _check_version(request: Request) -> None:
    version = request.headers.get(VERSION_HEADER, "1")
    if version != "1":
        raise InvalidArgument("BAD_ARGUMENT", f"the header {VERSION_HEADER} is {version[:40]!r}; this is version 1")
