"""`python -m convoy.fleet.health_check SERVICE PORT` exits with 0 if the service on this machine serves, else with 1.

SERVICE is also web, the web door.

Containers run it as their health check. It first asks in clear text and imports next to nothing for that, so that a
busy machine does not mistake its services for dead. If that fails, it asks as the client does, with the TLS of
CONVOY_CLIENT_*.
"""

import sys
from dataclasses import replace

import grpc
from grpc_health.v1 import health_pb2

from convoy.fleet.web import is_web_live

TIMEOUT_S = 4.0


def says_serving(channel: grpc.Channel) -> bool:
    """Whether grpc.health.v1 says SERVING on this channel."""
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    try:
        reply = check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    except grpc.RpcError:
        return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def is_serving(name: str, port: int) -> bool:
    """Whether the service on this port of this machine serves, in clear text or with TLS."""
    address = f"127.0.0.1:{port}"
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        if says_serving(channel):
            return True
    from convoy.client.channels import connection
    from convoy.core.api import SERVICES

    (service,) = [service for service in SERVICES if service == name]
    with replace(connection(), addresses={service: address}).open(service) as channel:
        return says_serving(channel)


if __name__ == "__main__":
    name, port = sys.argv[1], int(sys.argv[2])
    sys.exit(0 if (is_web_live(port) if name == "web" else is_serving(name, port)) else 1)
