"""The page of the RPCs: every service, message and enum of proto/convoy/v1 with the comments on it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

HEAD = """# gRPC API

The calls and messages of `proto/convoy/v1`, with their comments. A service with models
also answers the [Open Inference Protocol](../open-inference.md). Each call's errors stand in its comment;
[errors](../errors.md) says what to do about each.

"""
Place = tuple[int, ...]
# protobuf names the place of a comment by field numbers of FileDescriptorProto and of the descriptors inside it.
MESSAGES, ENUMS, SERVICES, FIELDS, NESTED, NESTED_ENUMS, VALUES, METHODS = 4, 5, 6, 2, 3, 4, 2, 2


def write_rpcs(root: Path) -> str:
    """The page, as Markdown. root: the repository, whose proto/ buf reads."""
    buf = Path(sys.executable).with_name("buf")
    built = subprocess.run([buf, "build", "-o", "-#format=binpb"], cwd=root, check=True, capture_output=True)
    files = [file for file in FileDescriptorSet.FromString(built.stdout).file if file.package == "convoy.v1"]
    return HEAD + "\n".join(part for file in files for part in write_file(file))


def write_file(file: FileDescriptorProto) -> Iterator[str]:
    """The parts of one proto file."""
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    for index, service in enumerate(file.service):
        yield from write_service(service, comments, (SERVICES, index))
    for index, message in enumerate(file.message_type):
        yield from write_message(message, comments, (MESSAGES, index))
    for index, enum in enumerate(file.enum_type):
        yield write_enum(enum, comments, (ENUMS, index))


def write_service(service: ServiceDescriptorProto, comments: dict[Place, str], place: Place) -> Iterator[str]:
    """A service and its calls."""
    yield f"## {service.name}\n\n{say(comments, place)}\n"
    for index, method in enumerate(service.method):
        asked = "stream " * method.client_streaming + link(method.input_type)
        answered = "stream " * method.server_streaming + link(method.output_type)
        yield f"### {method.name}\n\n{asked} → {answered}\n\n{say(comments, (*place, METHODS, index))}\n"


def write_message(message: DescriptorProto, comments: dict[Place, str], place: Place) -> Iterator[str]:
    """A message with its fields, then the messages and enums inside it. Map entries are part of their field."""
    if message.options.map_entry:
        return
    yield f"### {message.name}\n\n{say(comments, place)}\n"
    if message.field:
        maps = {f".{nested.name}": nested for nested in message.nested_type if nested.options.map_entry}
        rows = [
            f"| `{field.name}` = {field.number} | {type_of(field, maps)} | {meaning} |\n"
            for index, field in enumerate(message.field)
            for meaning in [cell(comments, (*place, FIELDS, index))]
        ]
        yield "| field | type | meaning |\n|---|---|---|\n" + "".join(rows)
    for index, nested in enumerate(message.nested_type):
        yield from write_message(nested, comments, (*place, NESTED, index))
    for index, enum in enumerate(message.enum_type):
        yield write_enum(enum, comments, (*place, NESTED_ENUMS, index))


def write_enum(enum: EnumDescriptorProto, comments: dict[Place, str], place: Place) -> str:
    """An enum with its values."""
    rows = [
        f"| `{value.name}` = {value.number} | {cell(comments, (*place, VALUES, index))} |\n"
        for index, value in enumerate(enum.value)
    ]
    return f"### {enum.name}\n\n{say(comments, place)}\n\n| value | meaning |\n|---|---|\n" + "".join(rows)


def type_of(field: FieldDescriptorProto, maps: dict[str, DescriptorProto]) -> str:
    """The type as proto files write it, with a link to a type of this page."""
    for suffix, entry in maps.items():
        if field.type_name.endswith(suffix):
            return f"map of {type_of(entry.field[0], {})} to {type_of(entry.field[1], {})}"
    repeated = "repeated " * (field.label == FieldDescriptorProto.LABEL_REPEATED)
    if field.type_name:
        return repeated + link(field.type_name)
    return repeated + f"`{FieldDescriptorProto.Type.Name(field.type).removeprefix('TYPE_').lower()}`"


def link(full_name: str) -> str:
    """The name of a type; a link where this page has it."""
    package, _, name = full_name.removeprefix(".").rpartition(".")
    return f"[{name}](#{name.lower()})" if package.startswith("convoy.v1") else f"`{package}.{name}`"


def say(comments: dict[Place, str], place: Place) -> str:
    """The comment at a place, as one paragraph for each of its own."""
    lines = [line.strip() for line in comments.get(place, "").splitlines()]
    return "\n".join(lines).strip().replace("<", "&lt;").replace("[", "\\[")


def cell(comments: dict[Place, str], place: Place) -> str:
    """The comment at a place, for a cell of a table."""
    return say(comments, place).replace("\n", " ").replace("|", "\\|")
