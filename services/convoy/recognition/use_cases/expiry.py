"""The sweep, which every replica makes twice a minute.

It deletes people who have expired and vector sets that were left behind, wraps data keys by the current master key, and
compares index and store. Several replicas may sweep at once: each change is made once. What fails in one gallery is
told of, and stops no other.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

import structlog
from prometheus_client import Gauge

from convoy.core.errors import ConvoyError, FailedPrecondition, NotFound, ResourceExhausted, Unavailable
from convoy.recognition.domain.caller import now_ms
from convoy.recognition.domain.records import Gallery, UnreadableGallery
from convoy.recognition.search.told import Told
from convoy.recognition.store.base import UNREADABLE, Conflict, Store, gallery_unreadable
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.people import People

INTERVAL_S = 30.0
PAGE = 500
# So many people are deleted of a gallery before the next one's turn comes.
AT_ONCE = 100

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
        """Sweep all galleries once; gives how many people were deleted.

        It asks how all of them stand, and looks closer where somebody's time is over.
        """
        try:
            self._galleries.reload_keys()
        except FailedPrecondition as error:
            log.warning("master keys cannot be read; those read before stay in use", problem=error.message)
        before, name, found = self._people.expired, "", {}
        while names := await self._store.list_names(name, PAGE):
            name = names[-1]
            for one, standing in zip(names, await self._store.survey(names), strict=True):
                if standing.exists and (gallery := await self._find(one)) is not None:
                    found[one] = gallery
                    first_ms = standing.first_expiry_ms
                    await self._sweep(gallery, is_due=first_ms is not None and first_ms <= now_ms())
        await self._galleries.sweep(found)
        for gone in self._told.keys() - found:
            del self._told[gone]
            FAILS.remove(gone)
        return self._people.expired - before

    async def on(self, begins: asyncio.Event) -> None:
        """Sweep again and again. If the store is away, the next sweep makes up for it.

        begins: what is loaded by then need not be read from the store.
        """
        await begins.wait()
        while True:
            try:
                if deleted := await self.once():
                    log.info("expired people deleted", people=deleted)
            except ConvoyError as error:
                log.warning("the sweep did not finish", problem=error.message)
            except Exception:
                log.exception("the sweep did not finish")
            await asyncio.sleep(INTERVAL_S)

    async def _find(self, name: str) -> Gallery | UnreadableGallery | None:
        """A gallery that is there, as this process knows it; it is read if it is not followed, or not readable."""
        if (known := self._galleries.known(name)) is not None:
            return known
        try:
            return await self._store.get_gallery(name)
        except NotFound:
            return None
        except Unavailable as error:
            if error.reason != UNREADABLE:
                raise
            return UnreadableGallery(name, error.message)

    async def _sweep(self, gallery: Gallery | UnreadableGallery, is_due: bool) -> None:
        """Do what is due in one gallery, each thing even if another fails."""
        if isinstance(gallery, UnreadableGallery):
            self._tell(gallery.name, [gallery_unreadable(gallery)])
            return
        steps: list[Coroutine[Any, Any, object]] = [
            self._galleries.rotate(gallery),
            self._galleries.consistency.compare_if_due(gallery.name),
        ]
        if is_due:
            steps.insert(0, self._people.expire(gallery, AT_ONCE))
        self._tell(gallery.name, [failure for step in steps if (failure := await _failure(step)) is not None])

    def _tell(self, name: str, failures: list[Exception]) -> None:
        if not failures:
            if self._told.pop(name, None) is not None:
                FAILS.labels(name).set(0)
            return
        FAILS.labels(name).set(1)
        if self._told[name].is_due(repr(failures), time.monotonic()):
            problem = "; ".join(str(failure) or repr(failure) for failure in failures)
            log.error("a gallery was not swept; the others are", gallery=name, problem=problem, exc_info=failures[0])


async def _failure(step: Coroutine[Any, Any, object]) -> Exception | None:
    """What went wrong with this gallery. Raises Unavailable if the store is away: then nothing more can be done."""
    try:
        await step
    except (Conflict, NotFound):
        # Somebody was faster, or the gallery was deleted meanwhile; the next sweep does the rest.
        return None
    except (Unavailable, ResourceExhausted) as error:
        if error.reason in (UNREADABLE, "STORE_CONTENDED", "GALLERY_FULL", "JOURNAL_UNAVAILABLE"):
            return error
        raise
    except Exception as error:
        return error
    return None
