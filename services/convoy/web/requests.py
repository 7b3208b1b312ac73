"""What every HTTP request has in common: its body within bounds, its time limit, and what goes on to the services."""

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from convoy.core.errors import DeadlineExceeded, InvalidArgument
from convoy.core.security.doors import CLIENT_KEY, SECRET_KEY
from convoy.core.serving.call_log import REQUEST_ID_KEY
from convoy.core.telemetry import request_id
from convoy.core.tracing import outgoing_trace
from convoy.web.holding import SCOPE_KEY, Holding

SILENCE_S = 15.0
"""A client that sends nothing of its body for so long is refused."""
SLOWEST_BYTES_PER_S = 1024
"""A body that comes more slowly than this, after the first seconds, is refused."""
TIMEOUT_HEADER = "connect-timeout-ms"
LONGEST_TIMEOUT_S = 3600.0
_TRACE_HEADERS = ("traceparent", "tracestate")
_MOST_TIMEOUT_DIGITS = 10


async def chunks(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body as it arrives, refused as soon as it is too large, too slow or silent, or finds no room.

    Each part is held until the request has its answer, unless the caller gives it back.
    Raises InvalidArgument(MESSAGE_TOO_LARGE), DeadlineExceeded(MESSAGE_TOO_SLOW), ResourceExhausted(MESSAGES_FULL).
    """
    holding: Holding = request.scope[SCOPE_KEY]
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise too_large(most)
    # One generator in place of Starlette's stream() inside of this one: a large picture comes in a dozen parts.
    began, got, is_whole = time.monotonic(), 0, False
    while not is_whole:
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await request.receive()
        except TimeoutError:
            raise _too_slow() from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        is_whole = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        if not chunk:
            continue
        got += len(chunk)
        if got > most:
            raise too_large(most)
        elapsed_s = time.monotonic() - began
        if elapsed_s > SILENCE_S and got < (elapsed_s - SILENCE_S) * SLOWEST_BYTES_PER_S:
            raise _too_slow()
        await holding.take(len(chunk))
        yield chunk


async def discard(request: Request, most: int) -> None:
    """Read a body to its end and keep nothing: a client that still sends would not read why it is refused.

    Raises what `chunks` raises.
    """
    holding: Holding = request.scope[SCOPE_KEY]
    async for chunk in chunks(request, most):
        holding.give(len(chunk))


async def body(request: Request, most: int) -> bytes:
    """The whole body. Raises what `chunks` raises."""
    parts = [chunk async for chunk in chunks(request, most)]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def timeout_s(request: Request, default_s: float) -> float:
    """How long the caller waits: the header Connect-Timeout-Ms. Raises InvalidArgument(BAD_ARGUMENT)."""
    said = request.headers.get(TIMEOUT_HEADER)
    if said is None:
        return default_s
    if not (said.isascii() and said.isdigit() and len(said) <= _MOST_TIMEOUT_DIGITS):
        raise InvalidArgument("BAD_ARGUMENT", f"the header {TIMEOUT_HEADER} is {said[:40]!r}, not a whole number of ms")
    return min(int(said) / 1000, LONGEST_TIMEOUT_S)


def outgoing_metadata(request: Request, client: str, secret: str) -> tuple[tuple[str, str], ...]:
    """The metadata of the gRPC call: the caller's token, the request's id, the trace, the model, the client's address.

    client: the address that limits count; secret: proves to a service that this door may name it, empty for none.
    """
    headers = request.headers
    pairs = [(REQUEST_ID_KEY, request_id())]
    pairs += [(key, headers[key]) for key in ("authorization", "convoy-model") if _is_sendable(headers.get(key))]
    pairs += outgoing_trace() or [(key, headers[key]) for key in _TRACE_HEADERS if _is_sendable(headers.get(key))]
    if secret and client:
        pairs += [(CLIENT_KEY, client), (SECRET_KEY, secret)]
    return tuple(pairs)


async def gone(request: Request) -> None:
    """Return when the client has hung up. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def too_large(most: int) -> InvalidArgument:
    """The error for a body that is larger than the door takes."""
    message = f"the request is larger than {most // 2**20} MiB; send fewer pictures in a call, or smaller ones"
    if most < 2**20:
        message = f"the body is larger than {most:,} bytes" if most else "this call takes no body"
    return InvalidArgument("MESSAGE_TOO_LARGE", message, {"max_bytes": most})


def _too_slow() -> DeadlineExceeded:
    return DeadlineExceeded("MESSAGE_TOO_SLOW", "the request came too slowly")


def _is_sendable(value: str | None) -> bool:
    """Whether gRPC takes it as metadata: printable ASCII."""
    return value is not None and value.isascii() and value.isprintable() and len(value) <= 8192
