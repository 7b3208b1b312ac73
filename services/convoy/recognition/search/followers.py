"""The galleries that this process follows: all of them from the start, and each new one when it is first needed."""

import asyncio
import time
from collections.abc import Callable

import structlog

from convoy.core.errors import ResourceExhausted, Unavailable
from convoy.core.machine import available_cores
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.records import Gallery
from convoy.recognition.domain.tasks import end
from convoy.recognition.domain.templates import Codec
from convoy.recognition.search.follower import Follower
from convoy.recognition.search.gauges import forget
from convoy.recognition.search.memory_view import MemoryView
from convoy.recognition.search.told import Told
from convoy.recognition.search.vector_set_view import VectorSetView
from convoy.recognition.search.view import View
from convoy.recognition.search.waking import Waking
from convoy.recognition.store.base import Store
from convoy.recognition.store.tries import Turns
from convoy.recognition.store.vector_sets import VectorSetStore

RETRY_S = 0.5
PAGE = 500
LOADED_AT_ONCE = 32

log = structlog.get_logger()


class Followers:
    """Opens, finds and closes followers.

    threads: a search in memory uses so many cores at most; by default those that this process may use.
    is_ready: the store answers, and what it held at the start is loaded. was_loaded: that is so for the first time.
    """

    def __init__(
        self,
        store: Store,
        codec_of: Callable[[Gallery], Codec],
        vector_sets: VectorSetStore | None = None,
        threads: int | None = None,
    ) -> None:
        self.store = store
        self.codec_of = codec_of
        self.vector_sets = vector_sets
        self.turns = Turns()
        self.is_ready = False
        self.was_loaded = asyncio.Event()
        self._threads = threads or available_cores()
        self._followers: dict[str, Follower] = {}
        self._waking = Waking(store, self._followers)
        self._loads = asyncio.Semaphore(LOADED_AT_ONCE)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to load; returns at once, even if the store is away."""
        self._task = asyncio.create_task(self._watch(), name="watch store")

    async def close(self) -> None:
        """Stop following."""
        await end(self._task)
        await self._waking.close()
        await asyncio.gather(*(follower.close() for follower in self._followers.values()))

    async def view(self, name: str, min_version: int = 0, epoch: str = "") -> View:
        """This replica's view of a gallery, at that version or later; waits for it as long as the caller does.

        epoch: in which the version counts; empty for that of now. Raises NotFound(GALLERY_NOT_FOUND),
        DeadlineExceeded(VERSION_NOT_REACHED), FailedPrecondition(VERSION_LOST), Unavailable(STORE_UNAVAILABLE).
        """
        view = await (await self._open(name)).at_least(min_version, current_call().patience_s(), epoch)
        view.drop_expired(now_ms())
        return view

    async def fresh_view(self, name: str) -> View:
        """This replica's view of a gallery as the store has it now. Raises the same."""
        return await self.view(name, (await self.store.get_head(name)).version)

    def get(self, name: str) -> Follower | None:
        """The follower of a gallery, if it is open."""
        return self._followers.get(name)

    def forget_deleted(self) -> None:
        """Let go of galleries that are no more."""
        for name in [name for name, follower in self._followers.items() if follower.is_deleted]:
            del self._followers[name]
            forget(name)

    def _new_view(self, gallery: Gallery) -> View:
        if gallery.vector_sets is None:
            return MemoryView(gallery, self.codec_of(gallery), self.store, self._threads)
        assert self.vector_sets is not None
        return VectorSetView(gallery, self.codec_of(gallery), self.store, self.vector_sets)

    async def _open(self, name: str) -> Follower:
        follower = self._followers.get(name)
        if follower is None or follower.is_deleted:
            self.codec_of(await self.store.get_gallery(name))
            follower = self._follow(name)
        return follower

    def _follow(self, name: str) -> Follower:
        """The follower of a gallery that is there."""
        follower = self._followers.get(name)
        if follower is None or follower.is_deleted:
            self._waking.start()
            mine = (self._new_view, self._waking.pulse, self._loads)
            follower = self._followers[name] = Follower(name, self.store, *mine)
        return follower

    async def _watch(self) -> None:
        """Ask the store again and again whether it is there; load everything the first time that it is."""
        is_loaded, told = False, Told()
        while True:
            try:
                await self.store.ping()
                if not is_loaded:
                    await self._load_all()
                is_loaded = self.is_ready = True
                self.was_loaded.set()
                told = Told()
            except ResourceExhausted as error:
                # This process is late; the store is not away.
                log.warning("this replica is overloaded", problem=error.message)
            except Unavailable as error:
                cause = str(error.__cause__)
                if told.is_due(cause, time.monotonic()):
                    log.warning("store is away", problem=error.message, cause=cause)
                self.is_ready = False
            except Exception:
                log.exception("the store's answer cannot be read")
                self.is_ready = False
            await asyncio.sleep(RETRY_S)

    async def _load_all(self) -> None:
        """Load every gallery. One that cannot be read keeps no other from being loaded.

        A page is opened together, in few trips to the store, and then loaded some at a time.
        """
        await self._waking.begun()
        name = ""
        while names := await self.store.list_names(name, PAGE):
            standings = await self.store.survey(names)
            present = [self._follow(one) for one, stands in zip(names, standings, strict=True) if stands.exists]
            await asyncio.gather(*(follower.loaded() for follower in present))
            name = names[-1]
