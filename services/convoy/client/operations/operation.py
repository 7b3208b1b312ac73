"""The plan of one call, the same for both clients."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from convoy.core.api import API, MODEL_KEY, ServiceName
from convoy.core.errors import InvalidArgument
from convoy.v1 import common_pb2

Response = TypeVar("Response", bound=Message)
Result = TypeVar("Result")

SENDABLE = re.compile(r"[!-~]{0,100}")
"""What metadata may hold. Every name that a model can have is among it."""


@dataclass(frozen=True)
class Operation(Generic[Result]):
    """Send `request` to `method` of `service`; `read` turns the response into the answer."""

    service: ServiceName
    method: str
    request: Message
    response_type: type[Message]
    read: Callable[[Any], Result]

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
) -> Operation[Result]:
    """The operation for a request. By convention XRequest belongs to the method X of the service's API."""
    method = request.DESCRIPTOR.name.removesuffix("Request")
    return Operation(service, f"/{api or API[service].grpc_name}/{method}", request, response_type, read)


def one_of(**choices: float | None) -> dict[str, Any]:
    """The one argument that is not None, if any. InvalidArgument(BAD_ARGUMENT): there are several."""
    made = {name: value for name, value in choices.items() if value is not None}
    if len(made) > 1:
        raise InvalidArgument("BAD_ARGUMENT", f"give only one of {' and '.join(made)}")
    return made


def write_tags(tags: Iterable[str]) -> Iterable[str]:
    """The tags. InvalidArgument(BAD_ARGUMENT): it is one text, not a list; each of its letters would be a tag."""
    if isinstance(tags, str):
        raise InvalidArgument("BAD_ARGUMENT", "give a list of tags, not one tag")
    return tags


def write_time(time: datetime | None) -> Timestamp | None:
    """The message for a time; one without a zone is read as UTC."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def only(results: Iterable[Result]) -> Result:
    """The one result of a request with one picture."""
    (result,) = results
    return result
