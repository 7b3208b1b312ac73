"""What wakes followers: the store's hints, and a survey of all galleries that finds what hints missed.

One connection brings the hints of all galleries. A hint may be lost, a version of Convoy may give none, a user of Redis
may be forbidden to listen: so every few seconds one question asks how all galleries stand. It takes a fiftieth of a
core at most: where it takes long, it comes seldom, and then a search looks for itself.
"""

import asyncio
import time
from collections.abc import Mapping

import structlog

from convoy.core.errors import ResourceExhausted, Unavailable
from convoy.recognition.domain.tasks import end
from convoy.recognition.search.follower import Follower
from convoy.recognition.search.pulse import Pulse
from convoy.recognition.search.told import Told
from convoy.recognition.store.base import Store

SURVEY_S = 5.0
# Between two surveys pass so many times as long as one takes.
SHARE = 50
RETRY_S = 0.5
HINTED_WITHIN_S, LOOK_S = 1.0, 0.01

log = structlog.get_logger()


class Waking:
    """Wakes the followers of a store."""

    def __init__(self, store: Store, followers: Mapping[str, Follower]) -> None:
        self.pulse = Pulse()
        self._store = store
        self._followers = followers
        self._surveying = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, unless it has begun."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._listen(), name="hints"),
                asyncio.create_task(self._survey_on(), name="survey"),
            ]

    async def begun(self) -> None:
        """Return when hints come, or do not come soon: whoever is loaded after that need not look a second time."""
        self.start()
        gives_up_at = time.monotonic() + HINTED_WITHIN_S
        while not self.pulse.is_beating and time.monotonic() < gives_up_at:
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            await end(task)

    async def survey(self) -> None:
        """Wake every follower whose gallery is changed."""
        async with self._surveying:
            seen_at, names = time.monotonic(), list(self._followers)
            for name, standing in zip(names, await self._store.survey(names), strict=True):
                if (follower := self._followers.get(name)) is not None:
                    follower.compare(standing.head, seen_at)

    async def _listen(self) -> None:
        told = Told()
        while True:
            try:
                async for name in self._store.hints():
                    if name is None and not self.pulse.is_beating:
                        self.pulse.begin()
                        await self.survey()
                    self.pulse.beat()
                    if name is not None and (follower := self._followers.get(name)) is not None:
                        follower.wake()
            except (Unavailable, ResourceExhausted) as error:
                if told.is_due(str(error.__cause__), time.monotonic()):
                    log.warning("no hints of the store; galleries are surveyed", cause=str(error.__cause__))
            except Exception:
                log.exception("the store's hints cannot be read")
            self._stop()
            await asyncio.sleep(RETRY_S)

    def _stop(self) -> None:
        for follower in self._followers.values():
            follower.settle()
        self.pulse.stop()

    async def _survey_on(self) -> None:
        while True:
            started = time.monotonic()
            try:
                await self.survey()
            except (Unavailable, ResourceExhausted):
                pass
            except Exception:
                log.exception("galleries cannot be surveyed")
            await asyncio.sleep(max(SURVEY_S, SHARE * (time.monotonic() - started)))
