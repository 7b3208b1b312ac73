"""Which ports a fleet listens on: neighbours from a first one, or any that are free.

The kernel lends ports of its ephemeral range (from 32768 on Linux) to every connection that somebody opens. A port of
that range may be free at one moment and taken at the next, so free ports are looked for below it.
"""

import random
import socket
from contextlib import ExitStack

from convoy.core.api import FIRST_PORT, METRICS_PORT_OFFSET, SERVICES, WEB_PORT, ServiceName

HOST = "127.0.0.1"
# The bus of a Redis Cluster is 10,000 above its port: it stays below the ephemeral range too.
FREE_PORTS = range(10_240, 22_000)
_next = random.randrange(len(FREE_PORTS))


def default_ports(first: int = FIRST_PORT) -> dict[ServiceName, int]:
    """Neighbouring ports, in the order of the services."""
    return {service: first + place for place, service in enumerate(SERVICES)}


def default_web_port(first: int = FIRST_PORT) -> int:
    """The port of the web door: 8080, or with other ports than the usual ones the next after the services."""
    return WEB_PORT if first == FIRST_PORT else first + len(SERVICES)


def free_ports() -> dict[ServiceName, int]:
    """Neighbouring ports, in the order of the services. They, the next one and their metrics ports are free now."""
    return default_ports(free_range(len(SERVICES) + 1))


def free_range(count: int) -> int:
    """Find `count` neighbouring ports that are free, each with its metrics port, and return the first.

    A process gets no port twice, until it has had them all.
    """
    global _next
    for _ in FREE_PORTS:
        if _next + count > len(FREE_PORTS):
            _next = 0
        first, _next = FREE_PORTS[_next], _next + count
        if _are_free(range(first, first + count)):
            return first
    raise OSError(f"no {count} neighbouring ports are free from {FREE_PORTS.start} to {FREE_PORTS.stop}")


def _are_free(ports: range) -> bool:
    try:
        with ExitStack() as stack:
            for port in ports:
                stack.enter_context(socket.create_server((HOST, port)))
                stack.enter_context(socket.create_server((HOST, port + METRICS_PORT_OFFSET)))
    except OSError:
        return False
    return True
