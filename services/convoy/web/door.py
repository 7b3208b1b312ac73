"""What stands before every route: it refuses hosts and pages that have no business here, and logs each request.

A service on loopback is not out of reach of web pages: a page may post to it (multipart needs no preflight), and may
give its own name the address 127.0.0.1 (DNS rebinding). So a request must name a known host, and must not come from a
page of another origin.
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convoy.core.errors import ConvoyError, InvalidArgument, NotFound, PermissionDenied
from convoy.core.serving.call_log import REQUEST_ID_KEY
from convoy.core.telemetry import begin_request, call_count, call_seconds, calls_in_flight
from convoy.core.tracing import begin_call, end_call
from convoy.web.calls import ClientGone
from convoy.web.holding import SCOPE_KEY, Hold
from convoy.web.problems import respond

log = structlog.get_logger()
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?")
_BUG = "INTERNAL"
_SAME_SITES = frozenset({"same-origin", "none"})
EXPOSED_HEADERS = "x-request-id, retry-after"
"""What pages of other sites may read beside the content."""
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
_DEFAULTS = [
    (name.lower().encode(), value.encode()) for name, value in {"Cache-Control": "no-store", **SECURITY_HEADERS}.items()
]
_ID_HEADER = REQUEST_ID_KEY.encode()

RespondOf: TypeAlias = Callable[[Scope], Callable[[ConvoyError], Response]]
"""How errors are told for a request: doors for other systems' clients have words of their own."""


class Door:
    """Wraps the application.

    hosts: names by which clients may call this machine, beside those of loopback and the address that they reached;
    origins: other sites whose pages may call (CORS); hold: makes what a request holds of the memory for bodies;
    respond_of: how errors are told.
    """

    def __init__(
        self,
        inner: ASGIApp,
        hold: Hold,
        hosts: Sequence[str] = (),
        origins: Sequence[str] = (),
        respond_of: RespondOf = lambda scope: respond,
    ) -> None:
        self._inner = inner
        self._hold = hold
        self._respond_of = respond_of
        self._hosts = LOOPBACK_NAMES | {host.lower() for host in hosts}
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand on what is no request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._inner(scope, receive, send)
            return
        answer = _Answer(scope, send, self._allowed_origin(scope), self._respond_of(scope))
        # With an application in the scope, routes raise what is not there instead of answering by themselves.
        scope["app"] = self._inner
        holding = scope[SCOPE_KEY] = self._hold(scope)
        try:
            self.check(scope)
            await self._inner(scope, answer.listen(receive), answer.send)
        except ConvoyError as error:
            await answer.fail(error, receive)
        except HTTPException as error:
            await answer.fail(_in_our_words(error, scope), receive)
        except (ClientGone, ClientDisconnect):
            answer.code = 499
        except Exception as error:
            await answer.break_off(error, receive)
        finally:
            holding.release()
            answer.finish()

    def check(self, scope: Scope) -> None:
        """Raise InvalidArgument(UNKNOWN_HOST) or PermissionDenied(FOREIGN_ORIGIN)."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host") or [headers.get(":authority", "")]
        host = hosts[0].lower()
        if len(hosts) != 1 or not self._knows(host, scope):
            hint = "name the host in CONVOY_WEB_HOSTS if clients may call it so"
            raise InvalidArgument("UNKNOWN_HOST", f"this server is not {host[:100]!r}", hint=hint)
        origin = headers.get("origin", "").lower()
        if origin in self._origins:
            return
        site = headers.get("sec-fetch-site", "none")
        if (origin and origin.partition("://")[2] != host) or (
            site not in _SAME_SITES and not _is_visit(scope, headers)
        ):
            raise PermissionDenied("FOREIGN_ORIGIN", "pages of other sites may not call this server")

    def _allowed_origin(self, scope: Scope) -> str:
        """The origin of the page that calls, if the settings name it; else empty."""
        origin = Headers(scope=scope).get("origin", "")
        return origin if origin.lower() in self._origins else ""

    def _knows(self, host: str, scope: Scope) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        reached = (scope.get("server") or ("", 0))[0] or ""
        return found[1] in self._hosts or found[1].strip("[]") == reached


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody follows a link to a page: the page that linked sees nothing of the answer."""
    return bool(
        scope["method"] == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _in_our_words(error: HTTPException, scope: Scope) -> ConvoyError:
    """What is not there, as one of Convoy's errors."""
    path = scope["path"][:100]
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        facts = {"allow": allowed} if allowed else {}
        return InvalidArgument("METHOD_NOT_ALLOWED", f"{path} does not take {scope['method'][:20]}", facts)
    if error.status_code == 404:
        return NotFound("NO_SUCH_PATH", f"there is nothing at {path}; /docs lists what there is")
    return InvalidArgument("BAD_ARGUMENT", str(error.detail))


class _Answer:
    """The answer to one request on its way out: its headers, log line and metrics.

    origin: another site whose page may read the answer, empty for none; tell: makes the answer for an error.
    """

    def __init__(self, scope: Scope, send: Send, origin: str, tell: Callable[[ConvoyError], Response]) -> None:
        headers = Headers(scope=scope)
        self._origin = origin
        self._tell = tell
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._has_begun = False
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        # A body of HTTP/2 is a stream of its own, which ends with its answer.
        self._is_read = not has_body or scope.get("http_version") == "2"
        self._reason: dict[str, Any] = {}
        self._span = begin_call(f"HTTP {scope['method']}", headers)
        self._id = begin_request(headers.get(REQUEST_ID_KEY, ""))
        self.code = 0
        calls_in_flight("web").inc()

    def listen(self, receive: Receive) -> Receive:
        """Hear the body's parts, to know whether it came to its end."""

        async def hear() -> Message:
            message = await receive()
            self._is_read |= message["type"] == "http.request" and not message.get("more_body", False)
            return message

        return hear

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._has_begun = True
            self.code = message["status"]
            raw = message["headers"] = [*message.get("headers", ()), (_ID_HEADER, self._id.encode())]
            named = {name for name, _ in raw}
            raw += [pair for pair in _DEFAULTS if pair[0] not in named]
            headers = MutableHeaders(raw=raw)
            if self._origin and "Access-Control-Allow-Origin" not in headers:
                # Errors are made outside the middleware that adds these; without them the page cannot read why.
                headers["Access-Control-Allow-Origin"] = self._origin
                headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
                headers.add_vary_header("Origin")
        await self._send(message)

    async def fail(self, error: ConvoyError, receive: Receive) -> None:
        """Answer with the error's problem; hang up if a part of the answer is out already."""
        self._reason = {"reason": error.reason}
        if self._has_begun:
            raise error
        response = self._tell(error)
        if not self._is_read:
            # What is left of the body must not be taken for the next request, nor be read to its end.
            response.headers["Connection"] = "close"
        await response(self._scope, receive, self.send)

    async def break_off(self, error: Exception, receive: Receive) -> None:
        """Log a bug, and tell the caller no more than the request's id."""
        log.error("request", route=self._route, exc_info=error)
        message = f"internal error; the log has the details under request id {self._id}"
        internal = ConvoyError(_BUG, message)
        internal.code = _BUG
        await self.fail(internal, receive)

    @property
    def _route(self) -> str:
        """The path without what it names: ids of people and galleries are in no log line, metric or span."""
        return getattr(self._scope.get("route"), "path", "other")

    def finish(self) -> None:
        """Write the log line, the metrics and the span."""
        elapsed_s, route = time.perf_counter() - self._began, self._route
        calls_in_flight("web").dec()
        call_count("web", route, str(self.code)).inc()
        call_seconds("web", route).observe(elapsed_s)
        end_call(self._span, "OK" if self.code < 400 else str(self.code))
        took_ms = round(elapsed_s * 1000, 1)
        log.info("request", method=self._scope["method"], route=route, code=self.code, ms=took_ms, **self._reason)
