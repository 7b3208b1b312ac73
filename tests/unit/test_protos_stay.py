"""No number of the protos of an earlier version means anything else today: what is gone is reserved.

A field may be given another name, since names do not go over the wire; a name may not come back with another number.
"""

import importlib
import pkgutil
from collections.abc import Iterator

import convoy.inference
import convoy.v1
import pytest
from google.protobuf import descriptor_pb2

from tests.compatibility.fixture import V0_1_0
from tests.compatibility.protos import Protos

Nested = descriptor_pb2.DescriptorProto | descriptor_pb2.FileDescriptorProto


def today() -> Iterator[descriptor_pb2.FileDescriptorProto]:
    for package in (convoy.v1, convoy.inference):
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.endswith("_pb2"):
                file = descriptor_pb2.FileDescriptorProto()
                importlib.import_module(f"{package.__name__}.{module.name}").DESCRIPTOR.CopyToProto(file)
                yield file


def messages(holder: Nested, path: str) -> Iterator[tuple[str, descriptor_pb2.DescriptorProto]]:
    nested = holder.nested_type if isinstance(holder, descriptor_pb2.DescriptorProto) else holder.message_type
    for one in nested:
        yield f"{path}.{one.name}", one
        yield from messages(one, f"{path}.{one.name}")


def enums(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, descriptor_pb2.EnumDescriptorProto]]:
    for path, holder in [(file.package, file), *messages(file, file.package)]:
        yield from ((f"{path}.{one.name}", one) for one in holder.enum_type)


def reserved(holder: descriptor_pb2.DescriptorProto | descriptor_pb2.EnumDescriptorProto) -> set[int]:
    # The end of a message's range is not in it, that of an enum's is.
    more = isinstance(holder, descriptor_pb2.EnumDescriptorProto)
    return {number for each in holder.reserved_range for number in range(each.start, each.end + more)}


def broken_fields(old: descriptor_pb2.DescriptorProto, new: descriptor_pb2.DescriptorProto) -> Iterator[str]:
    numbers, names = ({getattr(f, key): f for f in new.field} for key in ("number", "name"))
    for field in old.field:
        place = f"{old.name}.{field.name} = {field.number}"
        now = numbers.get(field.number)
        if now is None and field.number not in reserved(new):
            yield f"{place} is gone and not reserved"
        elif now is None and field.name not in new.reserved_name:
            yield f"{place} is gone and its name is not reserved"
        elif now is not None and wire(now, new) != wire(field, old):
            yield f"{place} was {wire(field, old)}, is {wire(now, new)}"
        if field.name in names and names[field.name].number != field.number:
            yield f"{place} has the number {names[field.name].number} now"


def wire(field: descriptor_pb2.FieldDescriptorProto, holder: descriptor_pb2.DescriptorProto) -> tuple[object, ...]:
    """What both sides must agree on: the type, how often, and whether a client can tell that it is not set."""
    group = holder.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    return field.type, field.type_name, field.label, "" if field.proto3_optional else group, field.proto3_optional


def broken(
    old: Iterator[descriptor_pb2.FileDescriptorProto], new: list[descriptor_pb2.FileDescriptorProto]
) -> list[str]:
    new_messages = {path: one for file in new for path, one in messages(file, file.package)}
    new_enums = {path: one for file in new for path, one in enums(file)}
    new_methods = dict(method for file in new for method in methods(file))
    found: list[str] = []
    for file in old:
        for path, message in messages(file, file.package):
            found += broken_fields(message, new_messages[path]) if path in new_messages else [f"{path} is gone"]
        for path, enum in enums(file):
            now = new_enums.get(path)
            kept = {value.number for value in now.value} | reserved(now) if now else set()
            found += [f"{path}: {value.name} is gone" for value in enum.value if value.number not in kept]
        found += [
            f"{path}: {how} is {new_methods.get(path)}" for path, how in methods(file) if new_methods.get(path) != how
        ]
    return found


def methods(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, tuple[object, ...]]]:
    for service in file.service:
        for one in service.method:
            streaming = one.client_streaming, one.server_streaming
            yield f"{file.package}.{service.name}/{one.name}", (one.input_type, one.output_type, *streaming)


def ours() -> Iterator[descriptor_pb2.FileDescriptorProto]:
    return (file for file in Protos(V0_1_0 / "protos.binpb").set.file if not file.package.startswith("google"))


def test_every_number_of_the_earlier_version_means_what_it_meant() -> None:
    assert broken(ours(), list(today())) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("type", "Label.probability = 3 was"),
        ("gone", "Label.probability = 3 is gone and not reserved"),
        ("moved", "Label.probability = 3 has the number 9 now"),
    ],
)
def test_a_number_that_is_used_again_is_found(change: str, said: str) -> None:
    files = list(today())
    [label] = [one for file in files for path, one in messages(file, file.package) if path == "convoy.v1.Label"]
    [field] = [field for field in label.field if field.number == 3]
    if change == "type":
        field.type = descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE
    elif change == "gone":
        label.field.remove(field)
    else:
        field.number = 9
        label.reserved_range.add(start=3, end=4)
        label.reserved_name.append("probability")
    assert any(said in one for one in broken(ours(), files))
