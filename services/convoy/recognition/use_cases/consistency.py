"""Whether index and store hold the same faces, by checksum."""

import random
import time
from collections.abc import Collection
from contextlib import suppress
from functools import reduce
from operator import xor

import structlog
from prometheus_client import Gauge

from convoy.recognition.search.followers import Followers
from convoy.recognition.search.index import fingerprints
from convoy.recognition.search.view import View
from convoy.recognition.store.base import Store

COMPARED_EVERY_S = 3600.0

log = structlog.get_logger()
DIFFERS = Gauge(
    "convoy_gallery_differs", "1 if index and store differed when they were compared last, 0 if not.", ["gallery"]
)


class Consistency:
    """Compares index and store when asked, and by itself every hour. The metric shows the last result."""

    def __init__(self, store: Store, followers: Followers) -> None:
        self._store = store
        self._followers = followers
        self._compared_at: dict[str, float] = {}

    async def compare(self, name: str) -> tuple[str, str]:
        """The checksums of index and store. While a change is under way they may differ; the metric ignores that."""
        view = await self._followers.view(name)
        head = await self._store.get_head(name)
        there = await self._checksum(view)
        here = await view.checksum()
        if head == view.head == await self._store.get_head(name):
            self._compared_at[name] = time.monotonic()
            DIFFERS.labels(name).set(here != there)
            if here != there:
                log.error("index and store differ", gallery=name, index=here, store=there)
        return here, there

    async def compare_if_due(self, name: str) -> None:
        """Compare if the last time, or the start of following, was an hour ago."""
        # Galleries that were loaded together come due one after the other, and not all at once.
        begun_at = self._compared_at.get(name) or time.monotonic() - random.random() * COMPARED_EVERY_S
        if time.monotonic() - self._compared_at.setdefault(name, begun_at) > COMPARED_EVERY_S:
            await self.compare(name)

    def forget_all_but(self, names: Collection[str]) -> None:
        """Forget galleries that are no more."""
        for name in self._compared_at.keys() - names:
            del self._compared_at[name]
            with suppress(KeyError):
                DIFFERS.remove(name)

    async def _checksum(self, view: View) -> str:
        # A scan may meet a face twice, and a second exclusive or would take it out again.
        prints: dict[tuple[str, str], int] = {}
        async for faces, templates in self._store.scan_templates(view.gallery.name):
            if faces:
                prints.update(zip(faces, fingerprints(faces, view.codec.decode_many(faces, templates)), strict=True))
        return f"{reduce(xor, prints.values(), 0):016x}"
