"""The sweep, which every replica makes twice a minute.

It deletes people who have expired and vector sets that were left behind, wraps data keys by the current master key, and
compares index and store. Several replicas may sweep at once: each change is made once.
"""

import asyncio

import structlog

from convoy.core.errors import ConvoyError, FailedPrecondition
from convoy.recognition.domain.records import Gallery
from convoy.recognition.store.base import Conflict, Store
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.people import People

INTERVAL_S = 30.0
PAGE = 100

log = structlog.get_logger()


async def sweep(store: Store, galleries: Galleries, people: People) -> int:
    """Sweep all galleries once; gives how many people were deleted."""
    try:
        galleries.reload_keys()
    except FailedPrecondition as error:
        log.warning("master keys cannot be read; those read before stay in use", problem=error.message)
    deleted, name, found = 0, "", {}
    while page := await store.list_galleries(name, PAGE):
        for gallery in page:
            name = gallery.name
            found[name] = gallery
            deleted += await _tidy(gallery, galleries, people)
            await galleries.consistency.compare_if_due(name)
    await galleries.sweep(found)
    return deleted


async def sweep_on(store: Store, galleries: Galleries, people: People) -> None:
    """Sweep again and again. If the store is away, the next sweep makes up for it."""
    while True:
        try:
            if deleted := await sweep(store, galleries, people):
                log.info("expired people deleted", people=deleted)
        except ConvoyError as error:
            log.warning("the sweep did not finish", problem=error.message)
        except Exception:
            log.exception("the sweep did not finish")
        await asyncio.sleep(INTERVAL_S)


async def _tidy(gallery: Gallery, galleries: Galleries, people: People) -> int:
    try:
        await galleries.rotate(gallery)
        return await people.expire(gallery, PAGE)
    except Conflict:
        # Somebody was faster; the next sweep does the rest.
        return 0
