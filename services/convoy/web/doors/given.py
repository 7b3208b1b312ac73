"""What a request of a door brings, however it is sent: query, form, JSON with base64 or data URLs, pictures."""

import math
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from convoy.core.errors import InvalidArgument
from convoy.web.connect import JSON_GROWTH, media_type_of
from convoy.web.long_bytes import read_base64
from convoy.web.requests import body, chunks
from convoy.web.rest.forms import files_and_fields, read_form

MOST_FIELDS = 1000
MOST_TEXT = 256 * 1024
"""The longest JSON text that is a value; longer ones are pictures."""


@dataclass
class Given:
    """values: of query, form and JSON object, the first of each name; files: of a form, in order; json: as it came."""

    values: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    json: Any = None

    def text(self, name: str, default: str = "") -> str:
        """A value, or the default where there is none."""
        return self.values.get(name, default)

    def number(self, name: str, default: float | None, low: float = 0.0, high: float = 1.0) -> float | None:
        """A number within bounds. Raises InvalidArgument(BAD_ARGUMENT)."""
        said = self.values.get(name, "")
        if not said:
            return default
        try:
            value = float(said)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise InvalidArgument(
                "BAD_ARGUMENT", f"Invalid value for {name}: a number from {low:g} to {high:g} is needed"
            )
        return value

    def whole(self, name: str, default: int, low: int = 0, high: int = 2**31 - 1) -> int:
        """A whole number within bounds. Raises InvalidArgument(BAD_ARGUMENT)."""
        said = self.values.get(name, "")
        if not said:
            return default
        value = int(said) if said.isascii() and said.isdigit() and len(said) < 12 else -1
        if not low <= value <= high:
            raise InvalidArgument("BAD_ARGUMENT", f"Invalid value for {name}: a whole number from {low} is needed")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Whether a value says yes."""
        return self.values.get(name, str(default)).lower() in ("1", "true", "yes", "on")

    def picture(self, name: str) -> bytes | None:
        """The file of a form, or the base64 of a JSON object, under a name. Raises InvalidArgument(BAD_ARGUMENT)."""
        for found, content in self.files:
            if found == name:
                return content
        said = self.json.get(name) if isinstance(self.json, dict) else None
        return decode(said, name) if isinstance(said, str) and said else None


async def read_given(request: Request, most: int) -> Given:
    """Everything that a request brings. most: the largest body, in bytes; a third more as JSON.

    Raises InvalidArgument(MESSAGE_TOO_LARGE, BAD_JSON, BAD_ARGUMENT), DeadlineExceeded(MESSAGE_TOO_SLOW),
    ResourceExhausted(MESSAGES_FULL).
    """
    given = Given()
    for name, text in request.query_params.multi_items()[:MOST_FIELDS]:
        given.values.setdefault(name, text)
    media_type = media_type_of(request)
    if media_type == "multipart/form-data":
        for name, value in files_and_fields(await read_form(request.headers["content-type"], chunks(request, most))):
            if isinstance(value, bytes):
                given.files.append((name, value))
            else:
                given.values.setdefault(name, value)
        return given
    content = await body(request, round(most * JSON_GROWTH))
    if media_type == "application/x-www-form-urlencoded":
        _read_fields(content, given)
    elif content and media_type.endswith("json"):
        given.json = read_json(content)
        if isinstance(given.json, dict):
            _take_values(given.json, given)
    elif content and media_type.startswith("image/"):
        given.files.append(("file", content))
    return given


def read_json(content: bytes) -> Any:
    """JSON. Raises InvalidArgument(BAD_JSON)."""
    try:
        return orjson.loads(content)
    except ValueError as error:
        raise InvalidArgument("BAD_JSON", f"the body is not JSON: {str(error)[:200]}") from None


def decode(text: str, name: str) -> bytes:
    """A picture out of base64, or out of a data URL. Raises InvalidArgument(BAD_ARGUMENT)."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        # MIME's line breaks are common in base64; anything else in it is an error.
        return read_base64(text.replace("\n", "").replace("\r", ""))
    except ValueError:
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is not a picture in base64") from None


def _read_fields(content: bytes, given: Given) -> None:
    try:
        pairs = parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise InvalidArgument("BAD_ARGUMENT", "the form is not readable") from None
    for name, text in pairs:
        given.values.setdefault(name, text)


def _take_values(values: dict[str, Any], given: Given) -> None:
    for name, value in values.items():
        if isinstance(value, bool):
            given.values.setdefault(name, str(value).lower())
        elif isinstance(value, int | float) or (isinstance(value, str) and len(value) <= MOST_TEXT):
            given.values.setdefault(name, str(value))
