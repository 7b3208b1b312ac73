"""Serves the Prometheus page, to few callers at a time: who connects and says nothing has a thread for two seconds."""

import socket
import threading
import time
from contextlib import suppress
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

MOST_CALLERS = 16
SILENCE_S = 2.0
LONGEST_S = 15.0
"""A caller who sends a byte a second is never silent, and gives its place back all the same."""


class _Handler(WSGIRequestHandler):
    """Hangs up on callers who are silent, and writes no log."""

    timeout = SILENCE_S

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


class _Bounded(ThreadingWSGIServer):
    """Hangs up on callers for whom no thread is left."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._places = threading.BoundedSemaphore(MOST_CALLERS)
        self._since: dict[Any, float] = {}
        super().__init__(*arguments, **more)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write nothing: a caller who hangs up is no fault."""

    def service_actions(self) -> None:
        """Hang up on callers who take too long; runs twice a second."""
        for request, since in list(self._since.items()):
            if time.monotonic() - since > LONGEST_S:
                with suppress(OSError):  # It has just ended by itself.
                    request.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, if one is left."""
        if self._places.acquire(blocking=False):
            self._since[request] = time.monotonic()
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._since.pop(request, None)
            self._places.release()


class _BoundedIPv6(_Bounded):
    """The same on an IPv6 address; on :: it answers IPv4 too."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        """Listen for both."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class MetricsPage:
    """The page at http://host:port/metrics; port 0 is any free one."""

    def __init__(self, host: str, port: int) -> None:
        """Raises OSError."""
        host = host.strip("[]")
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        kind = _BoundedIPv6 if family == socket.AF_INET6 else _Bounded
        self._server = make_server(host, port, make_wsgi_app(), kind, _Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stop; takes up to half a second."""
        self._server.shutdown()
        self._server.server_close()
