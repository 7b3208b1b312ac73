"""The fields of a request as parameters: the same names in a query, a form and JSON, as in the proto.

How faces are found (FaceDetectionOptions), whom a picture is compared with (PersonRef) and how an answer is explained
(ExplanationOptions) lie open beside the others.
A model is name or name:version. An enum's value is its short name: LARGEST for FACE_SELECTION_LARGEST.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from convoy.core.api import split_model
from convoy.core.errors import InvalidArgument
from convoy.v1 import common_pb2, explanation_pb2, faces_pb2, recognition_pb2
from convoy.web.json_messages import Descriptor, prefix_of, refusal

Kind = TypeVar("Kind", bound=Message)
IMAGE = common_pb2.Image.DESCRIPTOR.full_name
MODEL = common_pb2.ModelRef.DESCRIPTOR.full_name
OPEN = {
    faces_pb2.FaceDetectionOptions.DESCRIPTOR.full_name,
    recognition_pb2.PersonRef.DESCRIPTOR.full_name,
    explanation_pb2.ExplanationOptions.DESCRIPTOR.full_name,
}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. path: the names of the fields that lead to it in the request."""

    name: str
    field: FieldDescriptor
    path: tuple[str, ...]

    @property
    def kind(self) -> Literal["image", "model", "map", "message", "value"]:
        """What it holds."""
        inner = self.field.message_type
        if inner is None:
            return "value"
        if inner.full_name == IMAGE:
            return "image"
        if inner.full_name == MODEL:
            return "model"
        if inner.GetOptions().map_entry:
            return "map"
        return "message" if not inner.full_name.startswith("google.protobuf.") else "value"


@cache
def parameters_of(kind: Descriptor) -> dict[str, Parameter]:
    """Parameters of a request by name."""
    found: dict[str, Parameter] = {}
    for field in kind.fields:
        if field.message_type is not None and field.message_type.full_name in OPEN:
            for inner in field.message_type.fields:
                found[inner.name] = Parameter(inner.name, inner, (field.name, inner.name))
        else:
            found[field.name] = Parameter(field.name, field, (field.name,))
    return found


@cache
def images_of(kind: Descriptor) -> dict[str, Parameter]:
    """The parameters of a request that are pictures, by every name that they go by: images, image, photos, photo."""
    found = {}
    for name, parameter in parameters_of(kind).items():
        if parameter.kind == "image":
            found[name] = parameter
            if parameter.field.is_repeated:
                found[name.removesuffix("s")] = parameter
    if len({parameter.name for parameter in found.values()}) == 1:
        only = next(iter(found.values()))
        found |= {"image": only} | ({"images": only} if only.field.is_repeated else {})
    return found


def fill(request: Kind, values: Mapping[str, Any], pictures: Mapping[str, list[bytes]]) -> Kind:
    """Set the fields of a request. values: parameter -> text, list of texts, or JSON; pictures: parameter -> files.

    Raises InvalidArgument(UNKNOWN_FIELD, BAD_ARGUMENT).
    """
    known = parameters_of(request.DESCRIPTOR)
    content: dict[str, Any] = {}
    for name, value in values.items():
        parameter = known.get(name)
        if parameter is None or parameter.kind == "image":
            raise unknown(name, request.DESCRIPTOR)
        place = content
        for step in parameter.path[:-1]:
            place = place.setdefault(step, {})
        place[parameter.path[-1]] = _to_json(value, parameter)
    try:
        json_format.ParseDict(content, request)
    except json_format.ParseError as error:
        found = refusal(error)
        raise found if found.reason == "UNKNOWN_FIELD" else InvalidArgument("BAD_ARGUMENT", found.message) from None
    except (ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise InvalidArgument("BAD_ARGUMENT", _sentence(error)) from None
    for name, files in pictures.items():
        _add_pictures(request, images_of(request.DESCRIPTOR)[name], files)
    return request


def unknown(name: str, kind: Descriptor) -> InvalidArgument:
    """The error for a parameter that the request has not."""
    known = sorted(name for name, parameter in parameters_of(kind).items() if parameter.kind != "image")
    hint = f"it has {', '.join([*images_of(kind), *known])}"[:190]
    return InvalidArgument("UNKNOWN_FIELD", f"there is no parameter {name[:60]!r}", {"field": name[:60]}, hint=hint)


def _add_pictures(request: Message, parameter: Parameter, files: list[bytes]) -> None:
    name = parameter.path[0]
    if parameter.field.is_repeated:
        getattr(request, name).extend(common_pb2.Image(encoded=file) for file in files)
        return
    if len(files) > 1 or request.HasField(name):
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is one picture, and {max(2, len(files))} came")
    getattr(request, name).encoded = files[0]


def _to_json(value: Any, parameter: Parameter) -> Any:
    """The value as proto JSON has it."""
    kind, field, name = parameter.kind, parameter.field, parameter.name
    if kind == "model":
        return _model(value, name)
    if kind == "message" and field.is_repeated:
        return [_object(one, name, field) for one in (value if isinstance(value, list) else [value])]
    if kind in ("map", "message"):
        return _object(value, name, field)
    if field.is_repeated:
        return [_scalar(one, field, name) for one in (value if isinstance(value, list) else [value])]
    if isinstance(value, list):
        if len(value) != 1:
            raise InvalidArgument("BAD_ARGUMENT", f"{name} is one value, and {len(value)} came")
        value = value[0]
    return _scalar(value, field, name)


def _scalar(value: Any, field: FieldDescriptor, name: str) -> Any:
    if field.enum_type is not None and isinstance(value, str):
        prefix = prefix_of(field.enum_type)
        known = [
            one.name.removeprefix(prefix) for one in field.enum_type.values if not one.name.endswith("UNSPECIFIED")
        ]
        short = value.upper().removeprefix(prefix)
        if short not in known:
            raise InvalidArgument("BAD_ARGUMENT", f"{name} is {value[:40]!r}, not one of {', '.join(known)}")
        return prefix + short
    if field.type == field.TYPE_BOOL and isinstance(value, str):
        if value.lower() not in _TRUE | _FALSE:
            raise InvalidArgument("BAD_ARGUMENT", f"{name} is {value[:40]!r}, neither true nor false")
        return value.lower() in _TRUE
    return value


def _model(value: Any, name: str) -> dict[str, str]:
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(text, str):
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is a model: give name or name:version")
    model, version = split_model(text)
    return {"name": model, "version": version}


def _object(value: Any, name: str, field: FieldDescriptor) -> Any:
    """A JSON object, which in a query or a form is text."""
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(text, str):
        try:
            text = orjson.loads(text)
        except ValueError:
            raise InvalidArgument("BAD_ARGUMENT", f'{name} is a JSON object, such as {{"key": "value"}}') from None
    if not isinstance(text, dict):
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is a JSON object")
    kind = field.message_type
    if kind is None or kind.GetOptions().map_entry:
        return text
    return {
        key: _scalar(inner, kind.fields_by_name[key], key) if key in kind.fields_by_name else inner
        for key, inner in text.items()
    }


def _sentence(error: Exception) -> str:
    return " ".join(str(error).partition("\n")[0].split())[:300]
