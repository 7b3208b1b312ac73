"""The plan of one call, the same for both clients."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from convoy.core.api import API, MODEL_KEY, ServiceName
from convoy.core.errors import InvalidArgument
from convoy.v1 import common_pb2

Response = TypeVar("Response", bound=Message)
Result = TypeVar("Result")
Answered = TypeVar("Answered", covariant=True)

SENDABLE = re.compile(r"[!-~]{0,100}")
"""What metadata may hold. Every name that a model can have is among it."""


@dataclass(frozen=True)
class Operation(Generic[Answered]):
    """Send `request` to `method` of `service`; `read` turns the response into the answer."""

    service: ServiceName
    method: str
    request: Message
    response_type: type[Message]
    read: Callable[[Any], Answered]
    picture: object = None
    """The one picture that the answer is about, as it was given, and the order of its channels."""
    in_stream: Mapping[str, bool] = field(default_factory=dict)
    """What a stream says of it beside its request."""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Names the model beside the message, so that a full service may refuse the call before the message comes."""
        model = getattr(self.request, "model", None)
        if not isinstance(model, common_pb2.ModelRef):
            return ()
        named = f"{model.name}:{model.version}" if model.version else model.name
        return ((MODEL_KEY, named),) if SENDABLE.fullmatch(named) else ()


@dataclass(frozen=True)
class Page(Generic[Result]):
    """A part of a long list; next_page_token is empty on the last one."""

    items: list[Result]
    next_page_token: str


Listing: TypeAlias = Callable[[str], Operation[Page[Result]]]
"""The plan of a list in pages: from a page token (empty for the first page) to the call for that page."""


def plan(
    service: ServiceName,
    request: Message,
    response_type: type[Response],
    read: Callable[[Response], Result],
    api: str | None = None,
    picture: object = None,
) -> Operation[Result]:
    """The operation for a request. By convention XRequest belongs to the method X of the service's API."""
    method = request.DESCRIPTOR.name.removesuffix("Request")
    return Operation(service, f"/{api or API[service].grpc_name}/{method}", request, response_type, read, picture)


def one_of(**choices: float | None) -> dict[str, Any]:
    """The one argument that is not None, if any. InvalidArgument(BAD_ARGUMENT): there are several."""
    made = {name: value for name, value in choices.items() if value is not None}
    if len(made) > 1:
        raise InvalidArgument("BAD_ARGUMENT", f"give only one of {' and '.join(made)}")
    return made


def write_tags(tags: Iterable[str | int]) -> list[str]:
    """The tags. InvalidArgument(BAD_ARGUMENT): it is one text, not a list; each of its letters would be a tag."""
    if isinstance(tags, str):
        raise InvalidArgument("BAD_ARGUMENT", "give a list of tags, not one tag")
    return [write_text(tag, "a tag") for tag in tags]


def write_text(value: object, name: str) -> str:
    """A name or fact; a whole number is taken as its digits. InvalidArgument(BAD_ARGUMENT): it is anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is of the type {type(value).__name__}; give text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument("BAD_ARGUMENT", f"{name} has characters that are not UTF-8; give other text") from None
    return value


def write_facts(facts: Mapping[str, str] | None, name: str) -> dict[str, str]:
    """Facts, as `write_text` takes each. InvalidArgument(BAD_ARGUMENT): they are no mapping."""
    if facts is None:
        return {}
    if not isinstance(facts, Mapping):
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is of the type {type(facts).__name__}; give a dict of texts")
    return {write_text(key, f"a key of {name}"): write_text(one, f"a value of {name}") for key, one in facts.items()}


def write_time(time: datetime | None) -> Timestamp | None:
    """The message for a time. InvalidArgument(BAD_ARGUMENT): it has no time zone, so that it may mean any hour."""
    if time is None:
        return None
    if not isinstance(time, datetime):
        raise InvalidArgument(
            "BAD_ARGUMENT", f"a time is a datetime with a time zone, not of the type {type(time).__name__}"
        )
    if time.utcoffset() is None:
        sentence = "the time has no time zone; use datetime.now(timezone.utc), or time.astimezone() for a local time"
        raise InvalidArgument("BAD_ARGUMENT", sentence)
    message = Timestamp()
    message.FromDatetime(time)
    return message


def only(results: Iterable[Result]) -> Result:
    """The one result of a request with one picture."""
    (result,) = results
    return result
