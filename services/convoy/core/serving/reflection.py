"""Answers gRPC reflection, in its first version (v1alpha) and in today's (v1): the two differ in their names alone."""

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)


def add_reflection(names: Sequence[str], server: grpc.aio.Server) -> None:
    """Describe the APIs of these full names to callers."""
    servicer = reflection.aio.ReflectionServicer((*names, *NAMES))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = [grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}) for name in NAMES]
    server.add_generic_rpc_handlers(tuple(handlers))
