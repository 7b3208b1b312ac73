"""How services are reached: addresses and limits. Both clients open their channels with these."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio

from convoy.client.credentials import Credentials
from convoy.client.proxies import is_near
from convoy.client.retries import SERVICE_CONFIG
from convoy.client.settings import read_client_settings
from convoy.core.api import ServiceName
from convoy.core.errors import FailedPrecondition, InvalidArgument

Channel = TypeVar("Channel")
SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "xds:")
"""Addresses with one of these are left for gRPC to resolve."""
HOST_AND_PORT = re.compile(r"(\[[^\[\]\s]+\]|[^\[\]:/\s]+):(\d{1,5})")


class Open(Generic[Channel]):
    """The open channels of a client, and of those that `within` makes of it.

    key: the event loop for asyncio, else None. A channel works in the loop and in the process that opened it: another
    loop, and a process after a fork, get channels of their own.
    """

    def __init__(self) -> None:
        self._by_key: list[tuple[Any, dict[ServiceName, Channel]]] = []
        self._process = os.getpid()
        self._lock = Lock()
        self.is_closed = False

    def of(self, key: Any, service: ServiceName, open_one: Callable[[ServiceName], Channel]) -> Channel:
        """The channel to a service. Raises FailedPrecondition(CLIENT_CLOSED)."""
        if self.is_closed:
            raise FailedPrecondition("CLIENT_CLOSED", "this client is closed; make a new one")
        if self._process != os.getpid():
            # The parent goes on with its channels. Its threads, which may hold the lock, are not in this process.
            self._process, self._by_key, self._lock = os.getpid(), [], Lock()
        with self._lock:
            return self._known_or_new(key, service, open_one)

    def _known_or_new(self, key: Any, service: ServiceName, open_one: Callable[[ServiceName], Channel]) -> Channel:
        self._by_key = [pair for pair in self._by_key if not (pair[0] and pair[0] is not key and pair[0].is_closed())]
        channels = next((channels for known, channels in self._by_key if known is key), None)
        if channels is None:
            channels = {}
            self._by_key.append((key, channels))
        if service not in channels:
            channels[service] = open_one(service)
        return channels[service]

    def take_all(self, key: Any) -> list[Channel]:
        """Close for new calls; give the channels of this key, to be closed."""
        self.is_closed = True
        mine = [channels for known, channels in self._by_key if known is key]
        self._by_key = []
        return [channel for channels in mine for channel in channels.values()] if self._process == os.getpid() else []


@dataclass(frozen=True)
class Connection:
    """Where the services are, and the limits of a call. may_proxy: whether a proxy of the environment is used."""

    addresses: dict[ServiceName, str]
    timeout_s: float
    max_message_bytes: int
    credentials: Credentials
    may_proxy: bool = True

    def target(self, service: ServiceName) -> str:
        """The name that gRPC resolves; an address without a scheme is looked up in the DNS."""
        address = self.addresses[service]
        return address if address.startswith(SCHEMES) else f"dns:///{address}"

    def options(self, service: ServiceName) -> list[tuple[str, str | int]]:
        """Arguments of a channel to a service."""
        return [
            # A proxy of the environment (http_proxy) is for what lies beyond this machine and this fleet.
            ("grpc.enable_http_proxy", int(self.may_proxy and not is_near(self.addresses[service]))),
            ("grpc.service_config", SERVICE_CONFIG),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", self.max_message_bytes),
            # gRPC repeats only what it has kept; its 256 KiB by default is less than a photo.
            ("grpc.per_rpc_retry_buffer_size", self.max_message_bytes),
            # A service that is back is found within a second; gRPC's own pauses grow to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1_000),
            # Replicas that came back at another address are looked up again as soon.
            ("grpc.dns_min_time_between_resolutions_ms", 1_000),
            # A connection whose other end has vanished is given up after twenty seconds.
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            *self.credentials.options(),
        ]

    def open(self, service: ServiceName) -> grpc.Channel:
        """A channel for ordinary code."""
        secret = self.credentials.of_channel()
        if secret is None:
            return grpc.insecure_channel(self.target(service), self.options(service))
        return grpc.secure_channel(self.target(service), secret, self.options(service))

    def open_aio(self, service: ServiceName) -> grpc.aio.Channel:
        """A channel for asyncio."""
        secret = self.credentials.of_channel()
        if secret is None:
            return grpc.aio.insecure_channel(self.target(service), self.options(service))
        return grpc.aio.secure_channel(self.target(service), secret, self.options(service))


def connection(
    *,
    classification: str | None = None,
    detection: str | None = None,
    segmentation: str | None = None,
    faces: str | None = None,
    recognition: str | None = None,
    imaging: str | None = None,
    timeout_s: float | None = None,
    max_message_mb: int | None = None,
    token: str | None = None,
) -> Connection:
    """A connection from arguments; what is None comes from CONVOY_* variables. Raises InvalidArgument(BAD_ARGUMENT)."""
    settings = read_client_settings()
    addresses: dict[ServiceName, str] = {
        "classification": classification or settings.classification_address,
        "detection": detection or settings.detection_address,
        "segmentation": segmentation or settings.segmentation_address,
        "faces": faces or settings.faces_address,
        "recognition": recognition or settings.recognition_address,
        "imaging": imaging or settings.imaging_address,
    }
    for service, address in addresses.items():
        _check_address(service, address)
    return Connection(
        addresses,
        settings.timeout_s if timeout_s is None else checked_timeout(timeout_s),
        (max_message_mb or settings.max_message_mb) << 20,
        Credentials(settings, token),
    )


def checked_timeout(timeout_s: float) -> float:
    """The time limit of a call. Raises InvalidArgument(BAD_ARGUMENT) unless it is a number of seconds above 0."""
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 < timeout_s < float("inf"):
        raise InvalidArgument("BAD_ARGUMENT", "timeout_s is a number of seconds above 0")
    return timeout_s


def _check_address(service: ServiceName, address: str) -> None:
    found = HOST_AND_PORT.fullmatch(address)
    if not address.startswith(SCHEMES) and (found is None or not 0 < int(found[2]) < 1 << 16):
        message = f"'{address}' is not an address for the {service} service; give host:port, without http://"
        raise InvalidArgument("BAD_ARGUMENT", message, {"service": service, "address": address})
