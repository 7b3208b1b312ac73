"""Protos of a version, known by its FileDescriptorSet alone: no generated code of another version has a part in it."""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message


class Protos:
    """Messages and methods of the set in a file."""

    def __init__(self, file: Path) -> None:
        self.set = descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes())
        self._pool = descriptor_pool.DescriptorPool()
        for proto in self.set.file:
            self._pool.Add(proto)  # type: ignore[no-untyped-call]

    def message(self, full_name: str) -> type[Message]:
        """The class of a message."""
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(full_name))  # type: ignore[no-any-return]

    def request(self, path: str) -> type[Message]:
        """The class of what a method, as /package.Service/Method, takes."""
        return self.message(self._method(path).input_type.full_name)

    def answer(self, path: str) -> type[Message]:
        """The class of what a method gives."""
        return self.message(self._method(path).output_type.full_name)

    def methods(self) -> Iterator[str]:
        """The path of every method."""
        for file in self.set.file:
            for service in file.service:
                yield from (f"/{file.package}.{service.name}/{method.name}" for method in service.method)

    def _method(self, path: str) -> MethodDescriptor:
        _, service, name = path.split("/")
        return self._pool.FindServiceByName(service).methods_by_name[name]  # type: ignore[no-any-return]
