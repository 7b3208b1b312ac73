"""Counts the fields of a received message before protobuf reads it.

An empty entry takes 2 bytes on the wire and a hundred in memory, so 60 KB of gzip become gigabytes. How many entries a
list may have stands beside the field in proto/convoy/v1, as the option `most`; how many fields a message may have, as
`most_fields`. Source: https://protobuf.dev/programming-guides/encoding/
"""

from dataclasses import dataclass, field
from functools import cache
from typing import NoReturn

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from convoy.core.errors import InvalidArgument
from convoy.v1 import options_pb2

MOST_ENTRIES = 1000
MOST_FIELDS = 5000
MOST_NUMBERS = 2**24
MOST_DIMENSIONS = 64
_FIELDS_OF_A_PICTURE = 8
# Each field takes at least two bytes. Messages as small as this are not worth the count.
SMALL_BYTES = 2048
_VARINT, _FIXED64, _LENGTH, _START_GROUP, _END_GROUP, _FIXED32 = range(6)
_FIXED_BYTES = {_FIXED32: 4, _FIXED64: 8}
_SIZES = {
    FieldDescriptor.CPPTYPE_DOUBLE: 8,
    FieldDescriptor.CPPTYPE_FLOAT: 4,
}
_FIXED = {
    FieldDescriptor.TYPE_FIXED32: 4,
    FieldDescriptor.TYPE_SFIXED32: 4,
    FieldDescriptor.TYPE_FIXED64: 8,
    FieldDescriptor.TYPE_SFIXED64: 8,
}
# The Open Inference Protocol is not ours, so its proto cannot carry our options.
_OPEN_INFERENCE = {
    "inference.ModelInferRequest.InferInputTensor.shape": MOST_DIMENSIONS,
    **{
        f"inference.InferTensorContents.{kind}_contents": MOST_NUMBERS
        for kind in ("bool", "int", "int64", "uint", "uint64", "fp32", "fp64")
    },
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a walk looks for in messages of one type, by field number.

    lists: name of each list and the most entries that it may have (0: as many as the walk's default); inner: plans of
    fields that hold messages; numbers: bytes of each number in a packed list, 0 where they differ.
    """

    lists: dict[int, tuple[str, int]] = field(default_factory=dict)
    inner: dict[int, "Plan"] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a message may hold: fields in all, and entries of a list that names no number of its own."""

    fields: int = MOST_FIELDS
    entries: int = MOST_ENTRIES


def bounds_of(kind: Descriptor, images: int) -> Bounds:
    """Return the bounds for requests of a type, where a call may carry so many pictures."""
    fields = kind.GetOptions().Extensions[options_pb2.most_fields] or MOST_FIELDS
    return Bounds(fields + _FIELDS_OF_A_PICTURE * images, max(MOST_ENTRIES, images))


def check_fields(content: bytes, kind: Descriptor, bounds: Bounds) -> int:
    """Return how many fields a message has; 0 for one that is too small to matter.

    Takes a microsecond for each field, however long: it skips what a picture's bytes hold. Raises
    InvalidArgument(TOO_MANY_FIELDS, BAD_MESSAGE).
    """
    if len(content) <= SMALL_BYTES:
        return 0
    return _Walk(content, bounds).through(_plan(kind))


class _Walk:
    """One walk over the bytes of a message."""

    def __init__(self, content: bytes, bounds: Bounds) -> None:
        self._content = content
        self._bounds = bounds
        self._fields = 0

    def through(self, plan: Plan) -> int:
        try:
            self._message(0, len(self._content), plan)
        except IndexError:
            _malformed()
        return self._fields

    def _message(self, position: int, end: int, plan: Plan) -> None:
        """Walk over one message, from `position` to `end`."""
        counts: dict[int, int] = {}
        content, most = self._content, self._bounds.fields
        while position < end:
            self._fields += 1
            if self._fields > most:
                raise _too_many("fields", most)
            key = content[position]
            position += 1
            if key > 0x7F:
                key, position = self._rest(key, position)
            number, kind = key >> 3, key & 7
            if number == 0 or kind > _FIXED32:
                _malformed()
            if kind == _LENGTH:
                length = content[position]
                position += 1
                if length > 0x7F:
                    length, position = self._rest(length, position)
                if position + length > end:
                    _malformed()
                if number in plan.lists:
                    self._count(plan, number, position, length, counts)
                if number in plan.inner:
                    self._message(position, position + length, plan.inner[number])
                position += length
            elif kind == _VARINT:
                while content[position] > 0x7F:
                    position += 1
                position += 1
            elif kind in _FIXED_BYTES:
                position += _FIXED_BYTES[kind]
        if position != end:
            _malformed()

    def _count(self, plan: Plan, number: int, position: int, length: int, counts: dict[int, int]) -> None:
        name, most = plan.lists[number]
        most = most or self._bounds.entries
        size = plan.numbers.get(number)
        if size is None:
            entries = 1
        elif size:
            entries = length // size
        elif length <= most:
            entries = length
        else:
            # Each number ends with a byte below 128.
            packed = np.frombuffer(self._content, np.uint8, length, position)
            entries = int(np.count_nonzero(packed < 0x80))
        counts[number] = counts.get(number, 0) + entries
        if counts[number] > most:
            raise _too_many(f"entries of {name}", most)

    def _rest(self, first: int, position: int) -> tuple[int, int]:
        """Read a varint whose first byte says that more follow; return it with the position after it."""
        value = first & 0x7F
        for shift in range(7, 70, 7):
            byte = self._content[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
        _malformed()


@cache
def _plan(kind: Descriptor) -> Plan:
    plan = Plan()
    for one in kind.fields:
        if one.is_repeated:
            plan.lists[one.number] = one.name, _most(one)
            if one.message_type is None and one.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
                plan.numbers[one.number] = _FIXED.get(one.type) or _SIZES.get(one.cpp_type, 0)
        if one.message_type is not None:
            plan.inner[one.number] = _plan(one.message_type)
    return plan


def _most(one: FieldDescriptor) -> int:
    return _OPEN_INFERENCE.get(one.full_name) or int(one.GetOptions().Extensions[options_pb2.most])


def _too_many(what: str, most: int) -> InvalidArgument:
    return InvalidArgument("TOO_MANY_FIELDS", f"the message has more than {most:,} {what}", {"most": most})


def _malformed() -> NoReturn:
    raise InvalidArgument("BAD_MESSAGE", "the bytes are not a message of this call")
