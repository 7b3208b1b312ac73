"""Checks that a service can listen on its address, before it does anything slow such as loading a model."""

import os
import socket
from pathlib import Path

from convoy.core.errors import FailedPrecondition


def address_of(host: str, port: int) -> str:
    """Write host and port as gRPC reads them: an IPv6 address stands in brackets, and a Unix socket has no port."""
    if is_socket(host):
        return host
    is_ipv6 = ":" in host and not host.startswith("[")
    return f"[{host}]:{port}" if is_ipv6 else f"{host}:{port}"


def is_socket(host: str) -> bool:
    """Whether a host is the path of a Unix socket, such as unix:/run/convoy.sock."""
    return host.startswith("unix:")


def metrics_host(host: str) -> str:
    """Return where the metrics page listens. Prometheus reads no Unix sockets, so beside one it is this machine."""
    return "127.0.0.1" if is_socket(host) else host


def check_port(host: str, port: int, who: str, hint: str) -> None:
    """Raise FailedPrecondition(PORT_IN_USE), with this hint, if `who` cannot listen there.

    Nothing listens after this check, so clients cannot connect until the service is ready. Port 0 is any free port.
    """
    if is_socket(host):
        return _check_socket(host, who)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # A server that has just ended leaves connections behind; they must not block the port for the next one.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        message = f"{who} cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}"
        raise FailedPrecondition("PORT_IN_USE", message, {"port": port}, hint=hint) from None


def _check_socket(host: str, who: str) -> None:
    """Raise FailedPrecondition(PORT_IN_USE) if somebody listens there, or if nobody can."""
    path = Path(host.removeprefix("unix:").removeprefix("//"))
    problem = "" if path.parent.is_dir() else f"there is no folder {path.parent}"
    if not problem and not os.access(path.parent, os.W_OK):
        problem = f"the folder {path.parent} cannot be written"
    if not problem and path.exists() and not path.is_socket():
        problem = "the file is there and is no socket"
    if not problem and _answers(path):
        problem = "another program listens there"
    if problem:
        raise FailedPrecondition(
            "PORT_IN_USE", f"{who} cannot listen on {host}: {problem}", hint="set CONVOY_HOST to another path"
        )


def _answers(path: Path) -> bool:
    """Whether somebody listens on a socket; gRPC would take it away from them. One left over by a crash is nobody's."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
