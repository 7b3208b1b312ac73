"""The sweep, which every replica makes twice a minute.

It deletes people who have expired and vector sets that were left behind, wraps data keys by the current master key, and
compares index and store. Several replicas may sweep at once: each change is made once. What fails in one gallery is
told of, and stops no other.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable

import structlog
from prometheus_client import Gauge

from convoy.core.errors import ConvoyError, FailedPrecondition, NotFound, Unavailable
from convoy.recognition.domain.records import Gallery, UnreadableGallery
from convoy.recognition.search.told import Told
from convoy.recognition.store.base import UNREADABLE, Conflict, Store, gallery_unreadable
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.people import People

INTERVAL_S = 30.0
PAGE = 100

log = structlog.get_logger()
FAILS = Gauge("convoy_gallery_sweep_fails", "1 if the last sweep could not do all of a gallery.", ["gallery"])


class Sweep:
    """Sweeps all galleries, and knows which troubles it has told of."""

    def __init__(self, store: Store, galleries: Galleries, people: People) -> None:
        self._store = store
        self._galleries = galleries
        self._people = people
        self._told: defaultdict[str, Told] = defaultdict(Told)

    async def once(self) -> int:
        """Sweep all galleries once; gives how many people were deleted."""
        try:
            self._galleries.reload_keys()
        except FailedPrecondition as error:
            log.warning("master keys cannot be read; those read before stay in use", problem=error.message)
        deleted, name, found = 0, "", {}
        while page := await self._store.list_galleries(name, PAGE):
            for gallery in page:
                name = gallery.name
                found[name] = gallery
                deleted += await self._sweep(gallery)
        await self._galleries.sweep(found)
        return deleted

    async def on(self) -> None:
        """Sweep again and again. If the store is away, the next sweep makes up for it."""
        while True:
            try:
                if deleted := await self.once():
                    log.info("expired people deleted", people=deleted)
            except ConvoyError as error:
                log.warning("the sweep did not finish", problem=error.message)
            except Exception:
                log.exception("the sweep did not finish")
            await asyncio.sleep(INTERVAL_S)

    async def _sweep(self, gallery: Gallery | UnreadableGallery) -> int:
        """Do what is due in one gallery, each thing even if another fails; gives how many people were deleted."""
        name = gallery.name
        if isinstance(gallery, UnreadableGallery):
            self._tell(name, [gallery_unreadable(gallery)])
            return 0
        before = self._people.expired
        steps = (
            self._people.expire(gallery, PAGE),
            self._galleries.rotate(gallery),
            self._galleries.consistency.compare_if_due(name),
        )
        failures = [failure for step in steps if (failure := await _failure(step)) is not None]
        self._tell(name, failures)
        return self._people.expired - before

    def _tell(self, name: str, failures: list[Exception]) -> None:
        FAILS.labels(name).set(bool(failures))
        if not failures:
            self._told.pop(name, None)
        elif self._told[name].is_due(repr(failures), time.monotonic()):
            problem = "; ".join(str(failure) or repr(failure) for failure in failures)
            log.error("a gallery was not swept; the others are", gallery=name, problem=problem, exc_info=failures[0])


async def _failure(step: Awaitable[object]) -> Exception | None:
    """What went wrong with this gallery. Raises Unavailable if the store is away: then nothing more can be done."""
    try:
        await step
    except (Conflict, NotFound):
        # Somebody was faster, or the gallery was deleted meanwhile; the next sweep does the rest.
        return None
    except Unavailable as error:
        if error.reason == UNREADABLE:
            return error
        raise
    except Exception as error:
        return error
    return None
