"""What a request says, each field checked as it is read."""

import re
from typing import Any

from convoy.core.errors import InvalidArgument
from convoy.v1 import common_pb2
from convoy.web.doors.given import decode

COLLECTION = re.compile(r"[a-z0-9_-]{1,64}")
MOST_TOKEN = 4096


class Fields:
    """A JSON object. Every method raises InvalidArgument(BAD_ARGUMENT)."""

    def __init__(self, values: object) -> None:
        if not isinstance(values, dict):
            raise _bad("the body is to be a JSON object")
        self._values: dict[str, Any] = values

    def text(self, name: str, default: str | None = None, most: int = 255) -> str:
        """A text; without a default it must be there."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise _bad(f"{name} is to be a text of 1 to {most} characters")
        return value

    def texts(self, name: str, most: int) -> list[str]:
        """A list of texts, which must be there."""
        value = self._values.get(name)
        if not isinstance(value, list) or not 0 < len(value) <= most or not all(_is_text(one) for one in value):
            raise _bad(f"{name} is to be a list of 1 to {most} texts")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _bad(f"{name} is to be a whole number from {low} to {high}")
        return value

    def percent(self, name: str, default: float) -> float:
        """A number from 0 to 100."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 100:
            raise _bad(f"{name} is to be a number from 0 to 100")
        return float(value)

    def collection(self) -> str:
        """The name of a collection: a gallery's."""
        name = self.text("CollectionId")
        if not COLLECTION.fullmatch(name):
            raise _bad("CollectionId is to be 1 to 64 of a-z, 0-9, '-' and '_', as names of galleries are")
        return name

    def image(self, name: str = "Image") -> common_pb2.Image:
        """A picture. Raises InvalidArgument(PICTURE_ELSEWHERE) for one in S3."""
        value = self._values.get(name)
        if isinstance(value, dict) and value.get("S3Object") is not None:
            raise InvalidArgument("PICTURE_ELSEWHERE", f"{name}: Convoy reads no S3 objects; send Bytes")
        content = value.get("Bytes") if isinstance(value, dict) else None
        if not isinstance(content, str) or not content:
            raise _bad(f"{name} is to have Bytes")
        return common_pb2.Image(encoded=decode(content, name))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_TOKEN


def _bad(message: str) -> InvalidArgument:
    return InvalidArgument("BAD_ARGUMENT", message)
