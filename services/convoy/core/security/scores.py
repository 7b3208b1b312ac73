"""Similarities, hidden from callers without the scope `scores`: a few dozen are enough to rebuild a template.

Neither may they choose a threshold or a rate for the decision: by halving, a threshold finds the similarity.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

HIDDEN = {"similarity", "margin"}
CRITERION = "criterion"
_NUMBERS = (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE)


def hide(message: Message) -> None:
    """Set every similarity and margin in an answer to 0."""
    descriptor: Any = message.DESCRIPTOR
    for field in filter(_is_score, descriptor.fields):
        message.ClearField(field.name)
    for field, kind in _inner(descriptor):
        if has_scores(kind):
            value = getattr(message, field.name)
            for one in value if field.is_repeated else [value] if message.HasField(field.name) else []:
                hide(one)


@cache
def has_scores(kind: Descriptor) -> bool:
    """Whether messages of this type tell a similarity."""
    return _tells(kind, frozenset())


def chooses_criterion(request: Message) -> bool:
    """Whether a request, or the request inside a stream's message, sets its own threshold or rate."""
    if "request" in request.DESCRIPTOR.fields_by_name:
        request = request.request  # type: ignore[attr-defined]
    return CRITERION in request.DESCRIPTOR.oneofs_by_name and request.WhichOneof(CRITERION) is not None


def _is_score(field: Any) -> bool:
    """Single numbers alone: a calibration's table of similarities is nobody's score."""
    return field.name in HIDDEN and field.type in _NUMBERS and not field.is_repeated


def _inner(kind: Descriptor) -> Iterator[tuple[FieldDescriptor, Descriptor]]:
    for field in kind.fields:
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            yield field, field.message_type


def _tells(kind: Descriptor, above: frozenset[str]) -> bool:
    """`above` ends the walk through messages that contain themselves."""
    if any(map(_is_score, kind.fields)):
        return True
    above |= {kind.full_name}
    return any(_tells(inner, above) for _, inner in _inner(kind) if inner.full_name not in above)
