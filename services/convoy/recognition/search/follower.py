"""One gallery in this process: a follower loads it from the store, then keeps it up to date by its stream.

A follower sleeps until it is woken: by a hint of the store, by a survey that finds the gallery changed, or by a caller
who needs a version. Then it reads the stream, which alone is the truth. So ten thousand quiet galleries cost nothing.

The stream names who changed. The follower reads that person's present state from the store and makes its view agree
with it. This works in any order and more than once, so loading may overlap with changes, and a state that is newer than
the entry does no harm. Each change names the one before it. Where that chain breaks, because the stream was trimmed or
the store was restored or emptied, the follower loads the gallery anew.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from convoy.core.errors import (
    ConvoyError,
    DeadlineExceeded,
    FailedPrecondition,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from convoy.recognition.domain.records import Change, Gallery, Person
from convoy.recognition.domain.tasks import end
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.freshness import GRACE_S, MAX_SILENCE_S, Freshness
from convoy.recognition.search.gauges import FACES, LOADS, MENDED, UNREADABLES, VERSION
from convoy.recognition.search.pulse import Pulse
from convoy.recognition.search.told import Told
from convoy.recognition.search.view import View
from convoy.recognition.store.base import NOWHERE, UNREADABLE, Head, Store, gallery_not_found

# While a caller waits for a version, and no hint comes, look again after so long, then more and more seldom.
LOOK_AGAIN_S = (0.05, 1.0)
RETRY_S = (0.05, 1.0)
UNREADABLE_RETRY_S = 30.0
# As many changes as a page of the stream may have: behind fewer there are none.
MANY = 500

log = structlog.get_logger()


class Follower:
    """Follows one gallery; `view` is what may be searched, None until it is loaded.

    loads: bounds how many galleries are loaded at a time.
    """

    def __init__(
        self, name: str, store: Store, new_view: Callable[[Gallery], View], pulse: Pulse, loads: asyncio.Semaphore
    ) -> None:
        self.name = name
        self.view: View | None = None
        self.is_deleted = False
        self._was_unreadable = False
        self._freshness = Freshness(pulse)
        self._failure: Unavailable | ResourceExhausted | FailedPrecondition | None = None
        self._store = store
        self._new_view = new_view
        self._loads = loads
        self._moved = asyncio.Condition()
        self._due = asyncio.Event()
        self._told = Told()
        self._task = asyncio.create_task(self._run(), name=f"follow {name}")

    async def close(self) -> None:
        """Stop following."""
        await end(self._task)

    def wake(self) -> None:
        """Look at the stream soon."""
        self._due.set()

    def compare(self, head: Head, seen_at: float) -> None:
        """Look at the stream if the gallery's head, as it was seen at that time, is another than this follower's."""
        if self.view is not None and self.view.head == head:
            self._freshness.looked_at = max(self._freshness.looked_at, seen_at)
        else:
            self.wake()

    def settle(self) -> None:
        """Hints end: until they were heard last, they would have told of a change."""
        self._freshness.settle()

    async def loaded(self) -> None:
        """Return when the gallery has been loaded, or cannot be."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.is_deleted or self.view is not None or self._is_unreadable)

    async def at_least(self, version: int, wait_s: float, epoch: str = "") -> View:
        """The view once it has that version. epoch: in which the version counts; empty for that of now.

        Raises DeadlineExceeded(VERSION_NOT_REACHED), FailedPrecondition(VERSION_LOST), Unavailable, NotFound.
        """
        if not self._has(version, epoch) or (self._freshness.silent_s > MAX_SILENCE_S and self._failure is None):
            try:
                async with asyncio.timeout(wait_s):
                    await self._wait_for(version, epoch)
            except TimeoutError:
                raise self._failure or self._late(version) from None
        if self.is_deleted:
            raise gallery_not_found(self.name)
        if self.view is None or not self._has(version, epoch) or self._freshness.silent_s > MAX_SILENCE_S:
            raise self._failure or Unavailable("STORE_UNAVAILABLE", "the store (Redis) does not answer; try again")
        return self.view

    async def _wait_for(self, version: int, epoch: str) -> None:
        pause_s = LOOK_AGAIN_S[0]

        def is_over() -> bool:
            if self.is_deleted:
                return True
            # Silence may be due to this process, if it is late with everything: ask before calling the store away.
            if self._freshness.silent_s > MAX_SILENCE_S and self._failure is None:
                return False
            return self._has(version, epoch) or self._is_failing

        while not is_over():
            if epoch and self.view is not None and self.view.head.epoch != epoch:
                await self._check_epoch(version, epoch)
            self.wake()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s), self._moved:
                    await self._moved.wait_for(is_over)
            pause_s = min(2 * pause_s, LOOK_AGAIN_S[1])

    async def _check_epoch(self, version: int, epoch: str) -> None:
        """Raise FailedPrecondition(VERSION_LOST) if the gallery's versions count in another epoch by now."""
        now = (await self._store.get_head(self.name)).epoch
        if now and now != epoch:
            message = (
                f"version {version} of gallery {self.name!r} is of an earlier epoch: its history was cut since, by a "
                "failover or a restored backup, and what was written then may be gone; look, and write it again"
            )
            raise FailedPrecondition("VERSION_LOST", message, {"version": version, "epoch": epoch, "epoch_now": now})

    def put(self, version: int, person_id: str, person: Person | None, embeddings: Mapping[str, Vector]) -> None:
        """Take in a change that this process made, unless the stream has brought it already."""
        if self.view is not None and self._version < version:
            self.view.put(person_id, person, embeddings)
            self.wake()

    @property
    def _version(self) -> int:
        return self.view.head.version if self.view else 0

    def _has(self, version: int, epoch: str = "") -> bool:
        """Whether the view has that version, and was compared with the store not too long ago."""
        if self.view is None or self._version < version or (epoch and self.view.head.epoch != epoch):
            return False
        return self._freshness.is_fresh or self._is_away

    @property
    def _is_away(self) -> bool:
        """Whether the store did not answer when it was asked last: then this replica goes on alone for a while."""
        return self._freshness.is_silent or self._failure is not None

    @property
    def _is_unreadable(self) -> bool:
        failure = self._failure
        return isinstance(failure, FailedPrecondition) or (failure is not None and failure.reason == UNREADABLE)

    @property
    def _is_failing(self) -> bool:
        return self._is_unreadable or (self._failure is not None and self._freshness.silent_s > GRACE_S)

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
            except (Unavailable, ResourceExhausted) as error:
                if error.reason == UNREADABLE:
                    await self._give_up(error)
                await self._fail(error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, UNREADABLE_RETRY_S if error.reason == UNREADABLE else RETRY_S[1])
            except Exception as error:
                await self._give_up(error)
                await self._fail(error if isinstance(error, FailedPrecondition) else self._unreadable())
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, UNREADABLE_RETRY_S)

    async def _load(self, anew: bool) -> None:
        """Read everything into a new view, then put that in the place of the old one."""
        started = time.monotonic()
        self._due.clear()
        opened = await self._store.open_gallery(self.name, self.view.head if self.view else NOWHERE)
        if opened.mended:
            MENDED.labels(self.name).inc()
            log.warning("gallery mended", gallery=self.name, mended=opened.mended)
        view = self._new_view(opened.gallery)
        async with self._loads:
            head = await view.load(opened.head, anew)
        await self._arrive(view, head, started)
        LOADS.labels(self.name).inc()
        if self._was_unreadable:
            UNREADABLES.labels(self.name).set(0)
        self._told = Told()
        say = log.info if view.size else log.debug
        say("gallery loaded", gallery=self.name, faces=view.size, seconds=time.monotonic() - started)

    async def _follow(self) -> None:
        """Take in changes when woken; return when the stream no longer goes on from where this follower stands."""
        if self._freshness.is_hinted:
            # Whatever has changed since the gallery was opened has woken this follower already.
            await self._due.wait()
        while self.view is not None:
            self._due.clear()
            asked_at = time.monotonic()
            changes = await self._next(self.view.head)
            if changes is None:
                return
            if changes:
                await self._take(self.view, changes, asked_at)
            else:
                await self._looked(asked_at)
            if len(changes) < MANY:
                await self._due.wait()

    async def _next(self, head: Head) -> list[Change] | None:
        """The changes after `head`, which may be none; None if history was replaced."""
        for _ in range(2):
            if changes := await self._store.read_changes(self.name, head.version, 0):
                return changes if _is_chain(head, changes) else None
            if await self._store.get_head(self.name) == head:
                return []
        return None

    async def _take(self, view: View, changes: list[Change], asked_at: float) -> None:
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
        await self._arrive(view, Head(changes[-1].version, changes[-1].token, view.head.epoch), asked_at)

    async def _arrive(self, view: View, head: Head, asked_at: float) -> None:
        await view.arrive(head)
        FACES.labels(self.name).set(view.size)
        VERSION.labels(self.name).set(head.version)
        self.view = view
        await self._looked(asked_at)

    async def _looked(self, asked_at: float) -> None:
        """The view is as the store was at that time, or later."""
        async with self._moved:
            self._freshness.looked_at, self._failure = asked_at, None
            self._moved.notify_all()

    async def _give_up(self, error: Exception) -> None:
        """Answer nobody from what is left of this gallery, and say so once for each cause."""
        self.view, self._was_unreadable = None, True
        UNREADABLES.labels(self.name).set(1)
        if self._told.is_due(repr(error), time.monotonic()):
            trace = None if isinstance(error, ConvoyError) else error
            log.error("gallery cannot be read; trying again", gallery=self.name, problem=str(error), exc_info=trace)

    def _unreadable(self) -> Unavailable:
        message = f"gallery {self.name!r} cannot be read; see the service's log"
        return Unavailable(UNREADABLE, message, {"gallery": self.name})

    async def _fail(self, failure: Unavailable | ResourceExhausted | FailedPrecondition) -> None:
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
