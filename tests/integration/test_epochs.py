"""When history is cut, versions are used again: an epoch tells the old ones from the new."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from convoy.core.errors import FailedPrecondition
from convoy.recognition.domain.caller import Call, begin_call
from convoy.recognition.domain.records import Gallery, Model, Note, Person
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Committed, Idempotency, PersonChange
from convoy.recognition.store.redis import RedisStore
from convoy.testing.redis_servers import RedisServer

pytestmark = pytest.mark.redis
STAFF = Gallery("staff", Model("embedder", "1", "ab" * 32, 4))


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(redis_url, keep=10)
    await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    yield store
    await store.close()


@pytest.fixture
async def replicas(store: RedisStore) -> AsyncIterator[list[Followers]]:
    replicas = [Followers(store, lambda gallery: Plain(), threads=1) for _ in range(2)]
    for replica in replicas:
        await replica.view("staff")
    yield replicas
    for replica in replicas:
        await replica.close()


async def register(store: RedisStore, person_id: str, request_id: str = "") -> Committed:
    gallery = await store.get_gallery("staff")
    change = PersonChange(person_id, None, Person(person_id))
    return await store.change_person(gallery, change, Note("Register", 1, person_id), Idempotency(request_id, b"yes"))


def cut_back(server: RedisServer, kept: dict[bytes, bytes]) -> None:
    """Put Redis back to an earlier state at once, as a failover to a follower that lags does."""
    with server.client() as client, client.pipeline() as pipe:
        pipe.flushall()
        for key, payload in kept.items():
            pipe.restore(key, 0, payload)
        pipe.execute()


def state(server: RedisServer) -> dict[bytes, bytes]:
    with server.client() as client:
        return {key: client.dump(key) for key in client.scan_iter()}


async def lost(replica: Followers, made: Committed) -> FailedPrecondition:
    """What a replica says of a version that is gone, as soon as it has looked."""
    begin_call(Call(deadline=asyncio.get_running_loop().time() + 120))
    while True:
        try:
            await replica.view("staff", made.version, made.epoch)
        except FailedPrecondition as refused:
            return refused
        await asyncio.sleep(0.05)


async def test_a_version_that_a_failover_took_back_is_told_from_the_one_that_has_its_number(
    store: RedisStore, replicas: list[Followers], shared_redis: RedisServer
) -> None:
    await register(store, "ada")
    kept = state(shared_redis)
    gone = [await register(store, name) for name in ("bob", "eve")]
    for replica in replicas:
        await replica.view("staff", gone[-1].version, gone[-1].epoch)
    cut_back(shared_redis, kept)
    # Another change gets the number of the one that is gone, before anybody has looked.
    again = await register(store, "dan")
    assert again.version == gone[0].version
    for replica in replicas:
        assert (await lost(replica, gone[0])).reason == "VERSION_LOST"
        assert (await lost(replica, gone[1])).reason == "VERSION_LOST"
    now = await register(store, "flo")
    assert now.epoch != gone[0].epoch
    for replica in replicas:
        view = await replica.view("staff", now.version, now.epoch)
        assert set(await view.find_people(["ada", "bob", "dan", "eve", "flo"])) == {"ada", "dan", "flo"}


async def test_one_epoch_begins_for_all_replicas_and_lasts(
    store: RedisStore, replicas: list[Followers], shared_redis: RedisServer
) -> None:
    first = await register(store, "ada", "once")
    kept = state(shared_redis)
    gone = await register(store, "bob")
    for replica in replicas:
        await replica.view("staff", gone.version, gone.epoch)
    cut_back(shared_redis, kept)
    for replica in replicas:
        await lost(replica, gone)
    epochs = {(await store.get_head("staff")).epoch}
    epochs |= {(await register(store, name)).epoch for name in ("dan", "flo")}
    assert len(epochs) == 1 and gone.epoch not in epochs
    # What is remembered of a call counts as it did then.
    remembered = await store.get_answer(await store.get_gallery("staff"), "once")
    assert remembered is not None and remembered.epoch == first.epoch


async def test_a_stream_that_was_trimmed_is_no_cut(store: RedisStore, shared_redis: RedisServer) -> None:
    first = await register(store, "p0")
    known = await store.get_head("staff")
    for number in range(1, 500):
        await register(store, f"p{number}")
    with shared_redis.client() as client:
        assert not client.xrange("convoy:{staff}:changes", f"{known.version}-0", f"{known.version}-0")
    opened = await store.open_gallery("staff", known)
    assert (opened.head.epoch, opened.mended) == (first.epoch, ())


async def test_a_gallery_of_an_earlier_version_gets_an_epoch_when_it_is_loaded(
    store: RedisStore, shared_redis: RedisServer
) -> None:
    with shared_redis.client() as client:
        client.hdel("convoy:{staff}:head", "epoch")
    assert (await register(store, "ada")).epoch == ""
    opened = await store.open_gallery("staff")
    assert opened.head.epoch and opened.mended == ()
    assert (await register(store, "bob")).epoch == opened.head.epoch
