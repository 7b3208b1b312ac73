"""Reads what an HTTP request brings: parameters of path, query, form or JSON, and pictures in any of three ways."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request

from convoy.core.errors import InvalidArgument
from convoy.web.connect import JSON_GROWTH, media_type_of
from convoy.web.json_messages import Descriptor
from convoy.web.long_bytes import read_base64
from convoy.web.requests import body, chunks
from convoy.web.rest.forms import files_and_fields, read_form
from convoy.web.rest.parameters import images_of, unknown

OWN = {"draw"}
"""Parameters of this door, which no request has."""


@dataclass
class Input:
    """values: parameter -> list of texts, or JSON; pictures: parameter -> files; own: parameters of the door."""

    values: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, list[bytes]] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        """Add a value of a query or a form."""
        if name in OWN:
            self.own[name] = text
        else:
            self.values.setdefault(name, []).append(text)

    @property
    def draws(self) -> bool:
        """Whether the caller wants a picture."""
        return self.own.get("draw", "").lower() in ("1", "true", "yes", "on")


async def read_input(request: Request, kind: Descriptor, most: int) -> Input:
    """Everything that a request brings. most: the largest message, in bytes.

    Raises InvalidArgument(MESSAGE_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, BAD_JSON, BAD_ARGUMENT, UNKNOWN_FIELD).
    """
    found = Input()
    for name, text in request.query_params.multi_items():
        found.add(name, text)
    await _read_body(request, kind, most, found)
    for name, value in request.path_params.items():
        if name in found.values:
            raise InvalidArgument("BAD_ARGUMENT", f"{name} stands in the path already")
        found.values[name] = [value]
    return found


async def _read_body(request: Request, kind: Descriptor, most: int, found: Input) -> None:
    media_type = media_type_of(request)
    if media_type == "multipart/form-data":
        await _read_form(request, kind, most, found)
        return
    is_json = media_type == "application/json"
    content = await body(request, round(most * JSON_GROWTH) if is_json else most)
    if is_json:
        _read_json(content, kind, found)
    elif content:
        pictures = images_of(kind)
        if not pictures or not (media_type.startswith("image/") or media_type == "application/octet-stream"):
            raise _unsupported(media_type)
        first = next(iter(pictures.values()))
        found.pictures[first.name] = [content]


async def _read_form(request: Request, kind: Descriptor, most: int, found: Input) -> None:
    pictures = images_of(kind)
    parts = await read_form(request.headers.get("content-type", ""), chunks(request, most))
    for name, value in files_and_fields(parts):
        if isinstance(value, bytes):
            if name not in pictures:
                raise unknown(name, kind)
            found.pictures.setdefault(pictures[name].name, []).append(value)
        elif name in pictures:
            raise InvalidArgument("BAD_ARGUMENT", f"{name} is a file: write {name}=@photo.jpg, with the @")
        else:
            found.add(name, value)


def _read_json(content: bytes, kind: Descriptor, found: Input) -> None:
    try:
        values = orjson.loads(content or b"{}")
    except ValueError as error:
        raise InvalidArgument("BAD_JSON", f"the body is not JSON: {str(error)[:200]}") from None
    if not isinstance(values, dict):
        raise InvalidArgument("BAD_JSON", "the body is JSON, but no object")
    pictures = images_of(kind)
    for name, value in values.items():
        if name in OWN:
            found.own[name] = str(value)
        elif name in pictures:
            several = value if isinstance(value, list) else [value]
            found.pictures.setdefault(pictures[name].name, []).extend(_decode(one, name) for one in several)
        elif name in found.values:
            raise InvalidArgument("BAD_ARGUMENT", f"{name} stands in the query already")
        elif value is not None:
            found.values[name] = value


def _decode(text: object, name: str) -> bytes:
    """A picture out of base64, or out of a data URL."""
    if not isinstance(text, str):
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is not a picture in base64")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return read_base64(text)
    except ValueError:
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is not a picture in base64") from None


def _unsupported(media_type: str) -> InvalidArgument:
    hint = "send a form (curl -F image=@photo.jpg), a picture (-H 'Content-Type: image/jpeg') or JSON"
    return InvalidArgument(
        "UNSUPPORTED_MEDIA_TYPE", f"a body of the type {media_type[:60]!r} is not read here", hint=hint
    )
