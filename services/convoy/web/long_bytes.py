"""Pictures in JSON: base64, read by pydantic's Rust, since Python's own and protobuf's take five times as long."""

import base64
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from pydantic import ConfigDict, TypeAdapter, ValidationError

Steps: TypeAlias = tuple[tuple[str, int | None], ...]
"""Field after field from a message to a value in it, each with the place in a list."""
_READER = TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64"))
_LONG = 4096
"""Characters; what is shorter is left to protobuf."""
_MOST_DEPTH = 32


def read_base64(text: str) -> bytes:
    """The bytes; in the URL's alphabet and without padding too, as proto JSON has it. Raises ValueError."""
    try:
        return _READER.validate_strings(text)
    except ValidationError:
        # It is stricter than Python about the bits after the last byte.
        return base64.b64decode(text, validate=True)


def take_long_bytes(values: dict[str, Any], kind: Any, steps: Steps = ()) -> Iterator[tuple[Steps, bytes]]:
    """Long bytes by where they go in a message of this kind, taken out of the values that proto JSON gives for it."""
    if len(steps) > _MOST_DEPTH or kind.full_name.startswith("google.protobuf."):
        return
    fields = _fields(kind)
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            continue
        several = value if isinstance(value, list) else [value]
        for place, one in enumerate(several):
            step = (field.name, place if field.is_repeated else None)
            if isinstance(one, dict) and field.message_type is not None:
                yield from take_long_bytes(one, field.message_type, (*steps, step))
            elif field.type == field.TYPE_BYTES and isinstance(one, str) and len(one) >= _LONG:
                try:
                    content = read_base64(one)
                except ValueError:
                    continue  # protobuf says what is wrong with it
                several[place] = ""
                yield (*steps, step), content
        if not isinstance(value, list):
            values[name] = several[0]


def put(message: Any, steps: Steps, content: bytes) -> None:
    """Set bytes that were taken out, in the message that was made of the rest."""
    *way, (last, place) = steps
    for name, index in way:
        message = getattr(message, name) if index is None else getattr(message, name)[index]
    if place is None:
        setattr(message, last, content)
    else:
        getattr(message, last)[place] = content


@cache
def _fields(kind: Any) -> dict[str, FieldDescriptor]:
    """Fields by both names that JSON may give them. Maps are left out: their values are found by key."""
    known = [field for field in kind.fields if not (field.message_type and field.message_type.GetOptions().map_entry)]
    return {name: field for field in known for name in (field.name, field.json_name)}
