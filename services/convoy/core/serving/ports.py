"""Checks that a service can listen on its port, before it does anything slow such as loading a model."""

import socket

from convoy.core.errors import FailedPrecondition


def address_of(host: str, port: int) -> str:
    """Write host and port as gRPC reads them: an IPv6 address stands in brackets."""
    is_ipv6 = ":" in host and not host.startswith(("[", "unix:"))
    return f"[{host}]:{port}" if is_ipv6 else f"{host}:{port}"


def check_port(host: str, port: int, who: str, hint: str) -> None:
    """Raise FailedPrecondition(PORT_IN_USE), with this hint, if `who` cannot listen there.

    Nothing listens after this check, so clients cannot connect until the service is ready. Port 0 is any free port.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # A server that has just ended leaves connections behind; they must not block the port for the next one.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        message = f"{who} cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}"
        raise FailedPrecondition("PORT_IN_USE", message, {"port": port}, hint=hint) from None
