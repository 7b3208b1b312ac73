"""Calls that may be sent again: the first answer to a request id is given again, and nothing is changed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from convoy.core.errors import AlreadyExists, ConvoyError
from convoy.recognition.domain.records import Gallery, Person
from convoy.recognition.store.base import Committed, Idempotency, Store

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Repeated:
    """The first answer, and the person as on record now: what is remembered describes nobody."""

    committed: Committed
    person: Person


async def answered_once(
    store: Store, gallery: Gallery, request: Idempotency, work: Callable[[], Awaitable[Answer]]
) -> Answer | Committed:
    """What `work` gives, or the answer that the store remembers from the first time.

    Raises AlreadyExists(REQUEST_ID_REUSED) if the first time something else was asked.
    """
    if (repeated := await store.get_answer(gallery, request.request_id)) is not None:
        return same(repeated, request)
    try:
        answer = await work()
    except ConvoyError:
        # The same request may have come twice at once: then its other half stands in the way of this one.
        if (repeated := await store.get_answer(gallery, request.request_id)) is None:
            raise
        return same(repeated, request)
    return same(answer, request) if isinstance(answer, Committed) else answer


def same(committed: Committed, request: Idempotency) -> Committed:
    """The answer, if it is one to this request. Raises AlreadyExists(REQUEST_ID_REUSED)."""
    if committed.repeated and committed.content and request.content != committed.content:
        message = (
            f"request_id {request.request_id!r} was used for another request in the last 24 hours; "
            "send an id of its own with each request"
        )
        raise AlreadyExists("REQUEST_ID_REUSED", message, {"request_id": request.request_id})
    return committed
