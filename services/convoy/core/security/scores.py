"""Hides similarities from callers without the scope `scores`: a few dozen are enough to rebuild a template.

Such a caller may not choose a threshold or a rate either, since a binary search over thresholds finds the similarity.
The proto marks both kinds of field with the option `score`.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from convoy.v1 import options_pb2


def hide(message: Message) -> None:
    """Set every score in an answer to 0."""
    scores, inner = _marked(message.DESCRIPTOR)
    for name in scores:
        message.ClearField(name)
    for part in _parts(message, inner):
        hide(part)


def sets_score(request: Message) -> bool:
    """Whether a request, or a message inside it, sets a field that is a score."""
    scores, inner = _marked(request.DESCRIPTOR)
    return any(map(request.HasField, scores)) or any(map(sets_score, _parts(request, inner)))


@cache
def has_scores(kind: Descriptor) -> bool:
    """Whether messages of this type have fields that are scores."""
    return _has(kind, frozenset())


def is_score(field: FieldDescriptor) -> bool:
    """Whether the proto says so."""
    return bool(field.GetOptions().Extensions[options_pb2.score])


@cache
def _marked(kind: Descriptor) -> tuple[tuple[str, ...], tuple[FieldDescriptor, ...]]:
    """Names of a message's own scores, and its fields that hold messages with scores."""
    scores = tuple(field.name for field in kind.fields if is_score(field))
    return scores, tuple(field for field, inner in _inner(kind) if has_scores(inner))


def _parts(message: Message, fields: tuple[FieldDescriptor, ...]) -> Iterator[Any]:
    for field in fields:
        if field.is_repeated:
            yield from getattr(message, field.name)
        elif message.HasField(field.name):
            yield getattr(message, field.name)


def _inner(kind: Descriptor) -> Iterator[tuple[FieldDescriptor, Descriptor]]:
    for field in kind.fields:
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            yield field, field.message_type


def _has(kind: Descriptor, above: frozenset[str]) -> bool:
    """above: the messages around this one, so that the walk ends if a message contains itself."""
    if any(map(is_score, kind.fields)):
        return True
    above |= {kind.full_name}
    return any(_has(inner, above) for _, inner in _inner(kind) if inner.full_name not in above)
