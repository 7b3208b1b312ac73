"""Who listens at an address: asked once a call has failed, to say why."""

import socket
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convoy.core.api import API, SERVICES, ServiceName

_WAIT_S = 0.25


def is_dead(address: str) -> bool:
    """Whether nobody listens at host:port: the name is unknown, or the host refuses the connection.

    Silence is no proof: a host behind a firewall may be slow, and then the call has simply run out of time.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or ":" in host.strip("[]") or "/" in host:
        return False
    try:
        socket.create_connection((host.strip("[]"), int(port)), _WAIT_S).close()
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def service_at(channel: grpc.Channel) -> ServiceName | None:
    """Which of Convoy's services answers on a channel; None if none says that it is one."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for name in SERVICES:
        try:
            stub.Check(health_pb2.HealthCheckRequest(service=API[name].grpc_name), timeout=1.0)
        except grpc.RpcError:
            continue
        return name
    return None
