"""Starts, watches and drains one gRPC server, with health, reflection and a metrics page."""

import asyncio
import gc
import resource
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from convoy.core.api import API, METRICS_PORT_OFFSET, STATUS_API, ServiceName
from convoy.core.errors import FailedPrecondition
from convoy.core.security.doors import Doors
from convoy.core.security.files import Watched
from convoy.core.security.guard import Guard
from convoy.core.security.tls import Pem, server_tls
from convoy.core.serving.admission import Gate
from convoy.core.serving.call_counts import CallCounts
from convoy.core.serving.closed_hosts import can_close
from convoy.core.serving.interceptors import CallInterceptor
from convoy.core.serving.load_history import LoadHistory
from convoy.core.serving.metrics_page import MetricsPage
from convoy.core.serving.ports import address_of, check_port, is_socket, metrics_host
from convoy.core.serving.receiving import Receiver
from convoy.core.serving.reflection import add_reflection
from convoy.core.serving.reset_floods import PortGate, ResetFloods
from convoy.core.serving.status_servicer import StatusServicer
from convoy.core.settings import Settings
from convoy.v1 import status_pb2_grpc

log = structlog.get_logger()
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_HEALTH_INTERVAL_S = 0.25
HANDSHAKE_S = 10
_LIVENESS = "liveness"
# How many new objects start a garbage collection. A call makes hundreds, which need none.
OBJECTS_BETWEEN_COLLECTIONS = 20_000


async def _nothing() -> None:
    """Do nothing at start or stop."""


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Service:
    """What a process serves.

    add_to: adds the servicers to a server; start: runs before the first call; stop: runs after the last; gates: method
    (/package.Service/Method) -> the gate that may refuse its messages; is_ready: what health reports; beside: full
    names of the further gRPC APIs that it answers.
    """

    name: ServiceName
    add_to: Callable[[grpc.aio.Server], None]
    start: Callable[[], Awaitable[None]] = _nothing
    stop: Callable[[], Awaitable[None]] = _nothing
    gates: Mapping[str, Gate] = field(default_factory=dict)
    is_ready: Callable[[], bool] = field(default=_always)
    beside: tuple[str, ...] = ()

    @property
    def grpc_names(self) -> tuple[str, ...]:
        """Full names of all its gRPC APIs, for health and reflection."""
        return (API[self.name].grpc_name, STATUS_API, *self.beside)


class Server:
    """One service on one port, with health, reflection and a Prometheus page beside it."""

    def __init__(self, service: Service, settings: Settings) -> None:
        """Raises FailedPrecondition(BAD_TLS, BAD_TOKENS_FILE, BAD_JWKS, NO_FILE)."""
        self._service = service
        self._settings = settings
        self._health = health.aio.HealthServicer()
        self._load = LoadHistory(service.name)
        self._guard = Guard(service.name, settings)
        self._tls = server_tls(settings)
        budget = settings.message_memory_mb
        self._receiver = Receiver(settings.max_message_mb * 2**20, budget and budget * 2**20)
        doors = Doors(settings.door_secret.get_secret_value())
        self._interceptor = CallInterceptor(
            service.name, self._guard, service.gates, self._receiver, settings.max_images_per_call, doors
        )
        self._server = grpc.aio.server(interceptors=[self._interceptor], options=_options(settings))
        self._counts = CallCounts()
        self._metrics: MetricsPage | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._floods: ResetFloods | None = None
        self.port = 0
        self.metrics_port = 0

    async def start(self) -> None:
        """Check that the ports are free, make the service ready, then listen.

        Raises FailedPrecondition(PORT_IN_USE) and what the service's own start raises.
        """
        service, settings = self._service, self._settings
        port = API[service.name].port if settings.port is None else settings.port
        self._check_ports(port)
        by_name = cast(grpc.aio.Server, _ByName(self._server))
        service.add_to(by_name)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, by_name)
        status_pb2_grpc.add_StatusServiceServicer_to_server(StatusServicer(self._load), by_name)
        if settings.reflection:
            add_reflection((*service.grpc_names, health.SERVICE_NAME), by_name)
        await self._set_health(_NOT_SERVING)
        gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
        try:
            await service.start()
            listening = self._listen(port)
            self.port = port if is_socket(settings.host) else listening
            await self._server.start()
            self._serve_metrics()
        except BaseException:
            await self._server.stop(None)
            await service.stop()
            raise
        await self._set_health(_SERVING if service.is_ready() else _NOT_SERVING)
        # This says only that the process answers. Restart it for no other reason: if Redis is away, that does not help.
        await self._health.set(_LIVENESS, _SERVING)
        self._watcher = asyncio.create_task(self._watch())
        if settings.reset_limit and not is_socket(settings.host) and can_close():
            self._floods = ResetFloods(
                self._counts, PortGate(self.port), settings.reset_limit, lambda: self._interceptor.handled
            )
            self._floods.start()
        # Exclude objects that live as long as the process from garbage collection.
        gc.freeze()
        self._receiver.begin()
        where = {"address": settings.host} if is_socket(settings.host) else {"port": self.port}
        log.info("serving", service=service.name, **where, metrics_port=self.metrics_port)
        self._guard.warn(settings.host)

    async def drain(self) -> None:
        """Report NOT_SERVING, finish the running calls, and stop."""
        log.info("draining", service=self._service.name)
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if self._floods is not None:
            self._floods.stop()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._settings.drain_s)
        await self._service.stop()
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)
        log.info("stopped", service=self._service.name)

    def _check_ports(self, port: int) -> None:
        host, name, metrics_port = self._settings.host, self._service.name, self._settings.metrics_port
        check_port(host, port, name, "set CONVOY_PORT to another")
        if metrics_port is None and port:
            metrics_port = port + METRICS_PORT_OFFSET
        check_port(
            metrics_host(host), metrics_port or 0, f"the metrics page of {name}", "set CONVOY_METRICS_PORT to another"
        )

    def _listen(self, port: int) -> int:
        address = address_of(self._settings.host, port)
        try:
            if self._tls is not None:
                return self._server.add_secure_port(address, _credentials(self._tls))
            return self._server.add_insecure_port(address)
        except RuntimeError:
            raise FailedPrecondition(
                "PORT_IN_USE", f"cannot listen on {address}: the port is in use, or this machine lacks the address"
            ) from None

    def _serve_metrics(self) -> None:
        wanted = self._settings.metrics_port
        port = self.port + METRICS_PORT_OFFSET if wanted is None else wanted
        host = metrics_host(self._settings.host)
        try:
            self._metrics = MetricsPage(host, port)
        except OSError as error:
            message = f"the metrics page cannot listen on {host}:{port}: {error.strerror}"
            raise FailedPrecondition("PORT_IN_USE", message) from None
        self.metrics_port = self._metrics.port

    async def _watch(self) -> None:
        """Keep health up to date: a service that has lost what it needs reports NOT_SERVING until that is back."""
        was_ready = self._service.is_ready()
        while True:
            await asyncio.sleep(_HEALTH_INTERVAL_S)
            self._load.note()
            if self._service.is_ready() != was_ready:
                was_ready = not was_ready
                await self._set_health(_SERVING if was_ready else _NOT_SERVING)
                log.info("ready" if was_ready else "not ready", service=self._service.name)

    async def _set_health(self, status: int) -> None:
        for name in ("", *self._service.grpc_names):
            await self._health.set(name, status)


class _ByName:
    """A server that finds each call's handler by its name alone.

    Generated code registers methods beforehand. grpc.aio then keeps one waiting call for each method, and searches all
    of them whenever a call arrives. The services have up to thirty methods, so that is slow.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Ignore these; the same handlers are added by their names."""


def _options(settings: Settings) -> list[tuple[str, int]]:
    size = settings.max_message_mb * 2**20
    return [
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        # gRPC would inflate a message to any size and ask for its size afterwards; receiving.py stops at the limit.
        ("grpc.per_message_decompression", 0),
        ("grpc.max_allowed_incoming_connections", _most_connections(settings.max_connections)),
        # Two servers on one port share the load badly and hide a mistake.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", 60_000),
        # Disconnect a client that connects and sends nothing; do not let one connection take everything.
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
        ("grpc.max_concurrent_streams", 1024),
        # This option also counts answered calls that gRPC has not cleaned up, so it refuses clients within the limit.
        # It is meant against floods of calls that are reset at once; measured, these cost as little without it.
        ("grpc.http.overload_protection", 0),
        # How many bytes of a message arrive before the service asks for the message.
        ("grpc.http2.lookahead_bytes", 16 * 1024),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 0),
        # When a connection ends, its client looks for replicas again. Calls on it finish first.
        ("grpc.max_connection_age_ms", round(settings.max_connection_age_s * 1000)),
    ]


def _most_connections(wanted: int) -> int:
    """Leave the process file descriptors of its own, where the system allows few."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if allowed == resource.RLIM_INFINITY else max(16, min(wanted, allowed - 128))


def _credentials(files: Watched[Pem]) -> grpc.ServerCredentials:
    """Make credentials that read changed files at the next handshake, so that new certificates need no restart."""

    def configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
        assert pem.key is not None and pem.chain is not None  # without credentials, a server uses plain text
        return grpc.ssl_server_certificate_configuration([(pem.key, pem.chain)], pem.ca)

    used = files.current()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        before, used = used, files.current()
        return None if used is before else configuration(used)

    # gRPC takes None for "no change"; its stubs do not say so.
    return grpc.dynamic_ssl_server_credentials(configuration(used), changed, used.ca is not None)  # type: ignore[arg-type]
