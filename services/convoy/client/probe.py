"""`python -m convoy.client.probe PORT` ends with 0 if the service on that port of this machine says SERVING, else 1.

The healthcheck of containers: it imports next to nothing, so that a busy machine does not take its services for dead.
"""

import sys

import grpc
from grpc_health.v1 import health_pb2

TIMEOUT_S = 8.0


def is_serving(address: str) -> bool:
    """Whether grpc.health.v1 says SERVING there."""
    with grpc.insecure_channel(address) as channel:
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


if __name__ == "__main__":
    sys.exit(0 if is_serving(f"127.0.0.1:{int(sys.argv[1])}") else 1)
