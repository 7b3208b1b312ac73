"""Calls that may be sent again: the first answer to a request id is given again, and nothing is changed."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from convoy.core.errors import ConvoyError
from convoy.recognition.domain.records import Gallery
from convoy.recognition.store.base import Committed, Store

Answer = TypeVar("Answer")


async def answered_once(
    store: Store, gallery: Gallery, request_id: str, work: Callable[[], Awaitable[Answer]]
) -> Answer | Committed:
    """What `work` gives, or the answer that the store remembers from the first time."""
    if (repeated := await store.get_answer(gallery, request_id)) is not None:
        return repeated
    try:
        return await work()
    except ConvoyError:
        # The same request may have come twice at once: then its other half stands in the way of this one.
        if (repeated := await store.get_answer(gallery, request_id)) is None:
            raise
        return repeated
