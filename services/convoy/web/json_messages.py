"""Messages as JSON: as the Connect protocol has it, and as people read it in the REST answers."""

import base64
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias, TypeVar

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from convoy.core.errors import InvalidArgument
from convoy.core.security.scores import is_score
from convoy.web.long_bytes import put, take_long_bytes

Kind = TypeVar("Kind", bound=Message)
Descriptor: TypeAlias = Any
"""A message's descriptor: protobuf has two classes for it, one of them without public types."""
TIMESTAMP = "google.protobuf.Timestamp"
MOST_DEPTH = 32
_UNKNOWN = re.compile(r'Message type "([^"]+)" has no field named "([^"]+)"')


def read_json(content: bytes, kind: type[Kind]) -> Kind:
    """A message out of proto JSON. Raises InvalidArgument(BAD_JSON, UNKNOWN_FIELD)."""
    try:
        text = content.decode() or "{}"
        if not text.lstrip().startswith("{"):
            raise InvalidArgument("BAD_JSON", "the body is no JSON object")
        values = json.loads(text, object_pairs_hook=_each_once)
        long = list(take_long_bytes(values, kind.DESCRIPTOR))
        message = json_format.ParseDict(values, kind(), max_recursion_depth=MOST_DEPTH)
    except json_format.ParseError as error:
        raise refusal(error) from None
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidArgument("BAD_JSON", f"the body is not JSON: {_first_sentence(str(error))}") from None
    for steps, content in long:
        put(message, steps, content)
    return message


def read_binary(content: bytes, kind: type[Kind]) -> Kind:
    """A message out of its bytes. Raises InvalidArgument(BAD_MESSAGE)."""
    try:
        return kind.FromString(content)
    except DecodeError:
        raise InvalidArgument("BAD_MESSAGE", "the bytes are not a message of this call") from None


def write_json(message: Message) -> bytes:
    """A message as proto JSON."""
    return orjson.dumps(json_format.MessageToDict(message), option=orjson.OPT_NON_STR_KEYS)


def plain(message: Message) -> dict[str, Any]:
    """A message as people read it: names as in the proto, every field there, enums and times as short texts.

    Left out are unset messages and optional fields, and scores that are 0, as the service leaves those that the caller
    may not see.
    """
    return {name: value for name, read in _readers(message.DESCRIPTOR) if (value := read(message)) is not None}


def dump(value: object) -> bytes:
    """JSON of what `plain` gave."""
    return orjson.dumps(value)


def short_name(kind: EnumDescriptor, number: int) -> str:
    """DECISION_NO_MATCH of the enum Decision -> NO_MATCH; empty for the value that stands for unset."""
    value = kind.values_by_number.get(number)
    if value is None or (number == 0 and value.name.endswith("_UNSPECIFIED")):
        return "" if value is not None else str(number)
    return value.name.removeprefix(prefix_of(kind))


def prefix_of(kind: EnumDescriptor) -> str:
    """What the names of an enum's values begin with: PhotoRefusal -> PHOTO_REFUSAL_."""
    unset: str = kind.values[0].name
    return unset.removesuffix("UNSPECIFIED")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)[:60]!r} stands there twice")
    return values


@cache
def _readers(kind: Descriptor) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((field.name, _reader(field)) for field in kind.fields)


def _reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    name, value_of = field.name, _value_of(field)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return lambda message: dict(getattr(message, name))
    if field.is_repeated:
        return lambda message: [value_of(one) for one in getattr(message, name)]
    if field.has_presence:
        return lambda message: value_of(getattr(message, name)) if message.HasField(name) else None
    if is_score(field) or field.enum_type is not None or field.type == field.TYPE_BYTES:
        return lambda message: value_of(getattr(message, name)) or None
    return lambda message: value_of(getattr(message, name))


def _value_of(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        kind = field.enum_type
        return lambda number: short_name(kind, number)
    if field.type == field.TYPE_BYTES:
        return lambda content: base64.b64encode(content).decode()
    if field.type == field.TYPE_FLOAT:
        return _shortest
    if field.message_type is None:
        return lambda value: value
    if field.message_type.full_name == TIMESTAMP:
        return lambda time: time.ToJsonString()
    return plain


def _shortest(value: float) -> float:
    """A 32-bit float without the digits that it does not have: 0.1, not 0.10000000149011612."""
    return float(f"{value:.7g}")


def refusal(error: json_format.ParseError) -> InvalidArgument:
    """The error for JSON that is no message of the call; an unknown field is named."""
    if found := _UNKNOWN.search(str(error)):
        kind, name = found[1].rpartition(".")[2], found[2][:60]
        return InvalidArgument("UNKNOWN_FIELD", f"{kind} has no field {name!r}", {"field": name})
    return InvalidArgument("BAD_JSON", _first_sentence(str(error)))


def _first_sentence(text: str) -> str:
    return " ".join(text.partition("\n")[0].split())[:300]
