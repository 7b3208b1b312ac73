"""A store that stays away or falls silent: what is said of it, and that nobody is held up."""

import asyncio
import time

import pytest
from convoy.core.errors import DeadlineExceeded
from convoy.recognition.domain.records import Gallery, Model, Note
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.search.freshness import MAX_SILENCE_S
from convoy.recognition.search.told import LONGEST_SILENCE_S, Told
from convoy.recognition.store.base import Idempotency
from convoy.testing.memory_store import MemoryStore


def test_a_trouble_that_lasts_is_told_at_growing_intervals_and_when_it_changes() -> None:
    told = Told()
    assert [second for second in range(20) if told.is_due("refused", second)] == [0, 1, 3, 7, 15]
    assert told.is_due("timed out", 20) and not told.is_due("timed out", 20.5)
    hours = [second for second in range(21, 7200) if told.is_due("timed out", second)]
    assert hours[-1] - hours[-2] == LONGEST_SILENCE_S


async def test_whoever_waits_for_a_store_that_fell_silent_leaves_time_to_others() -> None:
    """It is not known yet that the store is away: nothing failed, and nothing was heard for longer than is believed."""
    store = MemoryStore()
    await store.create_gallery(
        Gallery("g", Model("embedder", "1", "ab" * 32, 4)), Note("CreateGallery", 1), Idempotency()
    )
    followers = Followers(store, lambda gallery: Plain(), threads=1)
    await followers.start()
    follower = followers._follow("g")
    await follower.loaded()
    await follower.close()  # so that nobody hears the store any more
    silent_since = time.monotonic() - 2 * MAX_SILENCE_S
    follower._freshness.looked_at = follower._freshness._pulse.heard_at = silent_since
    follower._freshness._pulse.begun_at = silent_since - 1
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with pytest.raises(DeadlineExceeded):
        await follower.at_least(0, 0.3)
    ticking.cancel()
    assert ticks
    await followers.close()
