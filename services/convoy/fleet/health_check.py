"""`python -m convoy.fleet.health_check SERVICE PORT` exits 0 if the service on this machine says SERVING, else 1.

The healthcheck of containers. Without TLS it imports next to nothing, so that a busy machine does not take its services
for dead; where that is refused, it asks again as the client does, with the TLS of CONVOY_CLIENT_*.
"""

import sys
from dataclasses import replace

import grpc
from grpc_health.v1 import health_pb2

TIMEOUT_S = 4.0


def says_serving(channel: grpc.Channel) -> bool:
    """Whether grpc.health.v1 says SERVING there."""
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
    """Whether the service on that port of this machine serves, in clear text or by TLS."""
    address = f"127.0.0.1:{port}"
    with grpc.insecure_channel(address) as channel:
        if says_serving(channel):
            return True
    from convoy.client.channels import connection
    from convoy.core.api import SERVICES

    (service,) = [service for service in SERVICES if service == name]
    with replace(connection(), addresses={service: address}).open(service) as channel:
        return says_serving(channel)


if __name__ == "__main__":
    sys.exit(0 if is_serving(sys.argv[1], int(sys.argv[2])) else 1)
