"""One gallery in this process: a follower loads it from the store, then keeps it up to date by its stream.

The stream names who changed. The follower reads that person's present state from the store and makes its view agree
with it. This works in any order and more than once, so loading may overlap with changes, and a state that is newer than
the entry does no harm. Each change names the one before it. Where that chain breaks, because the stream was trimmed or
the store was restored or emptied, the follower loads the gallery anew.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import structlog
from prometheus_client import Counter, Gauge

from convoy.core.errors import DeadlineExceeded, FailedPrecondition, NotFound, Unavailable
from convoy.recognition.domain.records import Change, Gallery, Person
from convoy.recognition.domain.tasks import end
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.told import Told
from convoy.recognition.search.view import View
from convoy.recognition.store.base import UNREADABLE, Head, Store, gallery_not_found

WAIT_S = 1.0
RETRY_S = (0.05, 1.0)
UNREADABLE_RETRY_S = 30.0
# How long the store may be away before callers are told: shorter than most of their deadlines.
GRACE_S = 2.5
# After this silence of the store a replica stops answering: it might name somebody who was deleted elsewhere.
MAX_SILENCE_S = 5.0

log = structlog.get_logger()
FACES = Gauge("convoy_gallery_faces", "Faces that this replica searches.", ["gallery"])
VERSION = Gauge("convoy_gallery_version", "Version of the gallery that this replica searches.", ["gallery"])
MENDED = Counter("convoy_gallery_mended", "How often version or counters of a gallery were put right.", ["gallery"])
UNREADABLES = Gauge("convoy_gallery_unreadable", "1 if this replica cannot read the gallery.", ["gallery"])
LOADS = Counter("convoy_gallery_loads", "How often a gallery was read from the store as a whole.", ["gallery"])


class Follower:
    """Follows one gallery; `view` is what may be searched, None until it is loaded."""

    def __init__(self, name: str, store: Store, new_view: Callable[[Gallery], View]) -> None:
        self.name = name
        self.view: View | None = None
        self.is_deleted = False
        self._heard_at = time.monotonic()
        self._failure: Unavailable | None = None
        self._store = store
        self._new_view = new_view
        self._moved = asyncio.Condition()
        self._told = Told()
        self._task = asyncio.create_task(self._run(), name=f"follow {name}")

    async def close(self) -> None:
        """Stop following."""
        await end(self._task)

    async def loaded(self) -> None:
        """Return when the gallery has been loaded, or cannot be."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.is_deleted or self.view is not None or self._is_unreadable)

    async def at_least(self, version: int, wait_s: float) -> View:
        """The view once it has that version. Raises DeadlineExceeded(VERSION_NOT_REACHED), Unavailable, NotFound."""
        if not self._has(version):
            try:
                async with asyncio.timeout(wait_s), self._moved:
                    await self._moved.wait_for(lambda: self.is_deleted or self._has(version) or self._is_failing)
            except TimeoutError:
                raise self._failure or self._late(version) from None
        if self.is_deleted:
            raise gallery_not_found(self.name)
        if self.view is None or not self._has(version) or self._silent_s > MAX_SILENCE_S:
            raise self._failure or Unavailable("STORE_UNAVAILABLE", "the store (Redis) does not answer; try again")
        return self.view

    def put(self, version: int, person_id: str, person: Person | None, embeddings: Mapping[str, Vector]) -> None:
        """Take in a change that this process made, unless the stream has brought it already."""
        if self.view is not None and self._version < version:
            self.view.put(person_id, person, embeddings)

    @property
    def _version(self) -> int:
        return self.view.head.version if self.view else 0

    def _has(self, version: int) -> bool:
        return self.view is not None and self._version >= version

    @property
    def _silent_s(self) -> float:
        return time.monotonic() - self._heard_at

    @property
    def _is_unreadable(self) -> bool:
        return self._failure is not None and self._failure.reason == UNREADABLE

    @property
    def _is_failing(self) -> bool:
        return self._is_unreadable or (self._failure is not None and self._silent_s > GRACE_S)

    def _late(self, version: int) -> DeadlineExceeded:
        facts = {"version": self._version, "min_version": version}
        message = f"this replica has version {self._version} of the gallery and did not get version {version} in time"
        return DeadlineExceeded("VERSION_NOT_REACHED", message, facts)

    async def _run(self) -> None:
        """Load and follow until the gallery is deleted. After a failure, try again more and more slowly."""
        pause_s, is_broken = RETRY_S[0], False
        while not self.is_deleted:
            try:
                if self.view is None or is_broken:
                    await self._load(is_broken)
                pause_s, is_broken = RETRY_S[0], False
                await self._follow()
                is_broken = True
            except NotFound:
                await self._end()
            except Unavailable as error:
                if error.reason == UNREADABLE:
                    await self._give_up(error)
                await self._fail(error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S[1])
            except Exception as error:
                facts = {"gallery": self.name}
                hint = f"gallery {self.name!r} cannot be read; see the service's log"
                message = error.message if isinstance(error, FailedPrecondition) else hint
                await self._give_up(error)
                await self._fail(Unavailable(UNREADABLE, message, facts))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, UNREADABLE_RETRY_S)

    async def _load(self, anew: bool) -> None:
        """Read everything into a new view, then put that in the place of the old one."""
        started = time.monotonic()
        if mended := await self._store.mend(self.name):
            MENDED.labels(self.name).inc()
            log.warning("gallery mended: an earlier change had stopped half-way", gallery=self.name, mended=mended)
        head = await self._store.get_head(self.name)
        view = self._new_view(await self._store.get_gallery(self.name))
        await self._arrive(view, await view.load(head, anew))
        LOADS.labels(self.name).inc()
        UNREADABLES.labels(self.name).set(0)
        self._told = Told()
        log.info("gallery loaded", gallery=self.name, faces=view.size, seconds=time.monotonic() - started)

    async def _follow(self) -> None:
        """Take in changes; return when the stream no longer goes on from where this follower stands."""
        while self.view is not None and (changes := await self._next(self.view.head)) is not None:
            if changes:
                await self._take(self.view, changes)
            self._heard()

    async def _next(self, head: Head) -> list[Change] | None:
        """The changes after `head`, which may be none yet; None if history was replaced."""
        for wait_s in (WAIT_S, 0.001):
            if changes := await self._store.read_changes(self.name, head.version, wait_s):
                return changes if _is_chain(head, changes) else None
            if await self._store.get_head(self.name) == head:
                return []
        return None

    async def _take(self, view: View, changes: list[Change]) -> None:
        changed: defaultdict[str, list[str]] = defaultdict(list)
        for change in changes:
            if change.note.person_id:
                changed[change.note.person_id] += change.faces
        if any(not change.note.person_id for change in changes):
            gallery = await self._store.get_gallery(self.name)
            if gallery.born != view.gallery.born:
                raise gallery_not_found(self.name)
            view.gallery = gallery
        if changed:
            await view.refresh(changed, changes[-1].version)
        await self._arrive(view, Head(changes[-1].version, changes[-1].token))

    async def _arrive(self, view: View, head: Head) -> None:
        await view.arrive(head)
        self._heard()
        FACES.labels(self.name).set(view.size)
        VERSION.labels(self.name).set(head.version)
        async with self._moved:
            self.view = view
            self._moved.notify_all()

    def _heard(self) -> None:
        self._heard_at, self._failure = time.monotonic(), None

    async def _give_up(self, error: Exception) -> None:
        """Answer nobody from what is left of this gallery, and say so once for each cause."""
        self.view = None
        UNREADABLES.labels(self.name).set(1)
        if self._told.is_due(repr(error), time.monotonic()):
            log.error("gallery cannot be read; trying again", gallery=self.name, problem=str(error), exc_info=error)

    async def _fail(self, failure: Unavailable) -> None:
        async with self._moved:
            self._failure = failure
            self._moved.notify_all()

    async def _end(self) -> None:
        async with self._moved:
            self.is_deleted, self.view = True, None
            self._moved.notify_all()


def _is_chain(head: Head, changes: list[Change]) -> bool:
    tokens = [head.token, *(change.token for change in changes)]
    return [change.parent for change in changes] == tokens[:-1]
