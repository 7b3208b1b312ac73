"""The web door's server: HTTP/1.1 and HTTP/2 on one port, with the TLS files of the services, drained like them.

A door for other systems' clients may listen on a port of its own beside it.
"""

import asyncio
import socket
import ssl

import structlog
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.types import ASGIApp

from convoy.client.channels import Connection
from convoy.core.api import METRICS_PORT_OFFSET, WEB, WEB_PORT
from convoy.core.errors import FailedPrecondition
from convoy.core.security.guard import LOOPBACK
from convoy.core.serving.metrics_page import MetricsPage
from convoy.core.serving.ports import check_port
from convoy.core.setting_groups import DoorName
from convoy.core.settings import Settings
from convoy.web import wire
from convoy.web.application import build
from convoy.web.tls import Certificates

log = structlog.get_logger()
IDLE_S = 15.0
"""A connection without a request, or with one whose headers do not come, is closed after so long."""
MOST_HEADER_BYTES = 64 * 1024


class WebServer:
    """The web door on one port, with a Prometheus page beside it."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        """Raises FailedPrecondition(BAD_TLS, NO_FILE), InvalidArgument(BAD_ARGUMENT)."""
        self._settings = settings
        self._certificates = Certificates(settings)
        self._applications = build(settings, connection)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._metrics: MetricsPage | None = None
        self.port = 0
        self.door_ports: dict[DoorName, int] = {}

    async def start(self) -> None:
        """Listen. Raises FailedPrecondition(PORT_IN_USE)."""
        settings = self._settings
        port = WEB_PORT if settings.port is None else settings.port
        check_port(settings.host, port, WEB, "set CONVOY_PORT to another")
        for name, own_port, _ in self._applications.own:
            check_port(settings.host, own_port, f"the door {name}", f"set CONVOY_{name.upper()}_PORT to another")
        self.port = self._serve(self._applications.main, port)
        self._serve_metrics()
        log.info("serving", service=WEB, host=settings.host, port=self.port)
        for name, own_port, application in self._applications.own:
            self.door_ports[name] = self._serve(application, own_port)
            log.info("serving", service=WEB, door=name, host=settings.host, port=self.door_ports[name])
        if settings.host not in LOOPBACK and not self._certificates.are_set:
            log.warning(
                "tokens and pictures come here in clear text; docs/web.md says how to turn TLS on", host=settings.host
            )

    def _serve(self, application: ASGIApp, port: int) -> int:
        """Serve an application; gives the port, which is another one for 0."""
        wire.install()
        listener = _listen(self._settings.host, port)
        port = int(listener.getsockname()[1])
        config = _Config(self._certificates)
        config.bind = [f"fd://{listener.detach()}"]
        config.graceful_timeout = self._settings.drain_s
        self._tasks.append(asyncio.create_task(serve(application, config, shutdown_trigger=self._stop.wait)))  # type: ignore[arg-type]
        return port

    async def drain(self) -> None:
        """Finish the running requests, and stop."""
        self._stop.set()
        await asyncio.gather(*self._tasks)
        await self._applications.backends.close()
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)
        log.info("stopped", service=WEB)

    def _serve_metrics(self) -> None:
        wanted = self._settings.metrics_port
        port = self.port + METRICS_PORT_OFFSET if wanted is None else wanted
        try:
            self._metrics = MetricsPage(self._settings.host, port)
        except OSError as error:
            message = f"the metrics page cannot listen on {self._settings.host}:{port}: {error.strerror}"
            raise FailedPrecondition("PORT_IN_USE", message) from None


class _Config(Config):
    """Hypercorn's settings: bounds on connections, and certificates that are read again when they change."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__()
        self._certificates = certificates
        self.accesslog = None
        self.errorlog = None
        self.include_server_header = False
        self.keep_alive_timeout = IDLE_S
        self.h11_max_incomplete_size = MOST_HEADER_BYTES
        self.h2_max_header_list_size = MOST_HEADER_BYTES
        self.h2_max_concurrent_streams = 100

    @property
    def ssl_enabled(self) -> bool:
        return self._certificates.are_set

    def create_ssl_context(self) -> ssl.SSLContext | None:
        return self._certificates.context() if self._certificates.are_set else None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0][0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((host.strip("[]"), port))
    listener.listen(1024)
    listener.setblocking(False)
    return listener
