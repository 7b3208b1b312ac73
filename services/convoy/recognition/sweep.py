"""Deletes people whose time is over. Several replicas may sweep at once: each change is made once."""

import asyncio

import structlog

from convoy.core.errors import ConvoyError
from convoy.recognition.people import People
from convoy.recognition.store.base import Conflict, Store

INTERVAL_S = 30.0
PAGE = 100

log = structlog.get_logger()


async def sweep(store: Store, people: People) -> int:
    """Go once through all galleries; gives how many people were deleted."""
    deleted, name = 0, ""
    while page := await store.list_galleries(name, PAGE):
        for gallery in page:
            name = gallery.name
            deleted += await people.expire(gallery, PAGE)
    return deleted


async def sweep_on(store: Store, people: People, interval_s: float = INTERVAL_S) -> None:
    """Sweep again and again; when the store is away or somebody else was faster, the next time will do."""
    while True:
        try:
            if deleted := await sweep(store, people):
                log.info("expired people deleted", people=deleted)
        except (ConvoyError, Conflict):
            pass
        await asyncio.sleep(interval_s)
