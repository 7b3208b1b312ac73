"""Every RPC that the web door passes on, by its name in the proto: add a method to a proto and it is here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

import convoy.v1
from convoy.core.api import API, SERVICES, STATUS_API, ServiceName
from convoy.inference import open_inference_pb2


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC. services: who answers it; more than one for what several services answer, such as ListModels."""

    path: str
    """/package.Service/Method"""
    request: type[Message]
    response: type[Message]
    streams_requests: bool
    streams_responses: bool
    services: tuple[ServiceName, ...]

    @property
    def name(self) -> str:
        """Its own name, such as Detect."""
        return self.path.rpartition("/")[2]


@cache
def methods() -> dict[str, Method]:
    """/package.Service/Method -> method, of all protos."""
    return {method.path: method for api in _apis() for method in _methods_of(api)}


def _apis() -> Iterator[ServiceDescriptor]:
    for module in iter_modules(convoy.v1.__path__, "convoy.v1."):
        if module.name.endswith("_pb2"):
            yield from import_module(module.name).DESCRIPTOR.services_by_name.values()
    yield from open_inference_pb2.DESCRIPTOR.services_by_name.values()


def _methods_of(api: ServiceDescriptor) -> Iterator[Method]:
    own = tuple(service for service in SERVICES if api.full_name in (API[service].grpc_name, STATUS_API))
    for method in api.methods:
        yield Method(
            f"/{api.full_name}/{method.name}",
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
            method.client_streaming,
            method.server_streaming,
            own or services_with_models(),
        )


def services_with_models() -> tuple[ServiceName, ...]:
    """Those that answer ModelService and the Open Inference Protocol."""
    return tuple(service for service in SERVICES if service != "recognition")
