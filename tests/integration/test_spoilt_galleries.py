"""A gallery that is spoilt in the store fails alone: it is named, and all others are loaded, listed and swept."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from convoy.core.errors import Unavailable
from convoy.core.settings import Settings
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person, UnreadableGallery
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Idempotency, PersonChange, Write
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.use_cases.expiry import Sweep
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.growth import Growth
from convoy.recognition.use_cases.people import People
from convoy.testing.redis_servers import RedisServer
from prometheus_client import REGISTRY

from tests.fake_face_source import FakeFaceSource

pytestmark = pytest.mark.redis
MODEL = Model("embedder", "1", "ab" * 32, 4)
NAMES = ("a", "b", "c")
TEMPLATE = np.array([1, 0, 0, 0], "<f4").tobytes()

Spoil = Callable[[Any], object]
RECORDS: dict[str, Spoil] = {
    "its record is no JSON": lambda redis: redis.hset("convoy:{b}:meta", "info", "{"),
    "its record has no model": lambda redis: redis.hset("convoy:{b}:meta", "info", "{}"),
    "its record is no record": lambda redis: redis.hset("convoy:{b}:meta", "info", "[1]"),
    "its counters are no numbers": lambda redis: redis.hset("convoy:{b}:meta", "born", "x"),
    "its record is another kind": lambda redis: redis.set("convoy:{b}:meta", "x"),
    "its head is another kind": lambda redis: redis.set("convoy:{b}:head", "x"),
}
CONTENTS: dict[str, Spoil] = {
    "a person's record is no JSON": lambda redis: redis.hset("convoy:{b}:people", "early", "{"),
    "a template is too short": lambda redis: redis.hset("convoy:{b}:templates", "stays f", "x"),
    "people are another kind": lambda redis: redis.set("convoy:{b}:people", "x"),
    "the stream is another kind": lambda redis: redis.set("convoy:{b}:changes", "x"),
    "expiries are another kind": lambda redis: redis.set("convoy:{b}:expiry", "x"),
}


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(redis_url)
    for name in NAMES:
        await store.create_gallery(Gallery(name, MODEL), Note("CreateGallery", 1), Idempotency())
        gallery = await store.get_gallery(name)
        people = [Person("early", faces=(Face("f", 0.5, 1),), expire_time_ms=5), Person("stays")]
        templates = {"f": TEMPLATE}
        await store.change_people(
            gallery,
            [
                Write([(PersonChange(p.person_id, None, p, templates if p.faces else {}), Note("R", 1, p.person_id))])
                for p in people
            ],
        )
    yield store
    await store.close()


@dataclass
class Replica:
    """What a replica does by itself."""

    followers: Followers
    galleries: Galleries
    sweep: Sweep


@asynccontextmanager
async def starting(store: RedisStore) -> AsyncIterator[Replica]:
    """A replica that is ready."""
    followers = Followers(store, lambda gallery: Plain(), threads=1)
    galleries = Galleries(store, followers, FakeFaceSource(), MasterKeys([]), Growth(Settings()))
    await followers.start()
    try:
        async with asyncio.timeout(60):
            while not followers.is_ready:
                await asyncio.sleep(0.01)
        yield Replica(followers, galleries, Sweep(store, galleries, People(followers)))
    finally:
        await followers.close()


def metric(name: str, gallery: str) -> float:
    return REGISTRY.get_sample_value(name, {"gallery": gallery}) or 0.0


@pytest.mark.parametrize("spoil", [*RECORDS, *CONTENTS])
async def test_a_spoilt_gallery_keeps_no_other_from_being_loaded_and_swept(
    store: RedisStore, shared_redis: RedisServer, spoil: str
) -> None:
    with shared_redis.client() as client:
        (RECORDS | CONTENTS)[spoil](client)
    async with starting(store) as replica:
        await replica.sweep.once()
        for name in ("a", "c"):
            assert (await replica.followers.view(name)).gallery.name == name
            assert [one.person_id for one in await store.list_people(name, "", 9)] == ["stays"]
            assert not metric("convoy_gallery_sweep_fails", name) and not metric("convoy_gallery_unreadable", name)
        assert metric("convoy_gallery_sweep_fails", "b") or metric("convoy_gallery_unreadable", "b")
        assert [one.name for one in await store.list_galleries("", 9)] == list(NAMES)


@pytest.mark.parametrize("spoil", RECORDS)
async def test_a_gallery_whose_record_is_spoilt_is_named(
    store: RedisStore, shared_redis: RedisServer, spoil: str
) -> None:
    with shared_redis.client() as client:
        RECORDS[spoil](client)
    async with starting(store) as replica:
        page = await replica.galleries.list("", 9)
        assert [one.name for one in page.entries if isinstance(one, UnreadableGallery)] == ["b"]
        assert "'b' cannot be read" in (await replica.galleries.status("b", verify=False)).problem
        with pytest.raises(Unavailable, match="'b' cannot be read") as refused:
            await replica.followers.view("b")
        assert refused.value.reason == "GALLERY_UNREADABLE"


@pytest.mark.parametrize("spoil", ["its record is no JSON", "its record has no model"])
async def test_a_gallery_whose_record_is_spoilt_can_be_deleted(
    store: RedisStore, shared_redis: RedisServer, spoil: str
) -> None:
    with shared_redis.client() as client:
        RECORDS[spoil](client)
    last = await store.delete_gallery("b", Note("DeleteGallery", 1))
    assert (last.people, last.faces) == (2, 1)
    assert [one.name for one in await store.list_galleries("", 9)] == ["a", "c"]
