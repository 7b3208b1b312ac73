"""What each call demands of its caller: the options that stand beside it in proto/convoy/v1, read once at start."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

import convoy.v1
from convoy.v1 import options_pb2

_PLACEHOLDER = re.compile(r"{([a-z_.]+)}")

# The Open Inference Protocol is not ours, so its proto cannot carry our options.
OPEN_INFERENCE = {
    "ServerLive": "",
    "ServerReady": "",
    "ModelReady": "{service}",
    "ServerMetadata": "{service}",
    "ModelMetadata": "{service}",
    "ModelConfig": "{service}",
    "ModelInfer": "{service}",
    "ModelStreamInfer": "{service}",
    "ModelStatistics": "{service}",
    "RepositoryIndex": "{service}",
    "RepositoryModelLoad": "models:admin",
    "RepositoryModelUnload": "models:admin",
}
"""From the method's name to its scope, written as in options.proto; "" is open to anybody."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope that may take one part from the request: before, the path to that part, after."""

    before: str
    path: tuple[str, ...] = ()
    after: str = ""

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """From the text of options.proto, for example `gallery:{person.gallery}:read`."""
        before, *rest = _PLACEHOLDER.split(text, maxsplit=1)
        return cls(before, tuple(rest[0].split(".")), rest[1]) if rest else cls(before)

    def fill(self, request: Any, service: str) -> str:
        """The scope for this request to this service."""
        if not self.path:
            return self.before
        return self.of(service if self.path == ("service",) else _follow(self.path, request))

    def of(self, part: str) -> str:
        """The scope with this in place of the braces."""
        return f"{self.before}{part}{self.after}"


@dataclass(frozen=True, slots=True)
class Demand:
    """What one call demands. if_set: for each field that changes the scope, its name and that scope."""

    scope: Scope
    if_set: tuple[tuple[str, Scope], ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether anybody may make the call, without a token."""
        return self.scope == Scope("")

    def scope_of(self, request: Any, service: str) -> str:
        """The scope that this request to this service needs; empty for none."""
        chosen = next((scope for field, scope in self.if_set if request.HasField(field)), self.scope)
        return chosen.fill(request, service)


def demand_of(method: str) -> Demand | None:
    """What /package.Service/Method demands; None for a method that names no scope, which nobody may call."""
    return DEMANDS.get(method)


def naming_part(request: Message) -> Any:
    """The part of a request whose field `gallery` may hold an alias; None for a request that takes none."""
    path = _ALIASED.get(request.DESCRIPTOR.full_name)
    return None if path is None else _follow(path[:-1], request)


def _follow(path: tuple[str, ...], message: Any) -> Any:
    for name in path:
        message = getattr(message, name)
    return message


def _methods() -> Iterator[MethodDescriptor]:
    """Every method of proto/convoy/v1."""
    for module in iter_modules(convoy.v1.__path__, "convoy.v1."):
        if module.name.endswith("_pb2"):
            for service in import_module(module.name).DESCRIPTOR.services_by_name.values():
                yield from service.methods


def _read_demands() -> Iterator[tuple[str, Demand]]:
    for method in _methods():
        if scope := method.GetOptions().Extensions[options_pb2.scope]:
            yield _path(method), Demand(Scope.parse(scope), tuple(_read_if_set(method.input_type)))
    for name, scope in OPEN_INFERENCE.items():
        yield f"/inference.GRPCInferenceService/{name}", Demand(Scope.parse(scope))


def _read_if_set(request: Descriptor) -> Iterator[tuple[str, Scope]]:
    for field in request.fields:
        if scope := field.GetOptions().Extensions[options_pb2.scope_if_set]:
            yield field.name, Scope.parse(scope)


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


DEMANDS = dict(_read_demands())
_ALIASED = {
    method.input_type.full_name: DEMANDS[_path(method)].scope.path
    for method in _methods()
    if method.GetOptions().Extensions[options_pb2.follows_alias]
}
