"""Whose a name or the id of a face is: the index says what reading everybody says, whoever wrote the gallery."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace

import pytest
from convoy.core.names import folded
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person, VectorSets
from convoy.recognition.store import directory, layout
from convoy.recognition.store.base import Idempotency, PersonChange, Write
from convoy.recognition.store.redis import RedisStore
from convoy.testing.redis_servers import Redis8, RedisServer

pytestmark = pytest.mark.redis
STAFF = Gallery("staff", Model("m", "1", "00" * 32, 4), vector_sets=VectorSets("0a1b2c3d", 1, "NOQUANT", 500))
HEAD, FOUND = "convoy:{staff}:head", "convoy:{staff}:found"
NAMES = ("", "Ada", "ADA", "Jose\u0301", "JOS\u00c9", "Stra\u00dfe", "strasse", "a b", "p1")


@pytest.fixture(scope="module", params=["redis", pytest.param("redis 8", marks=pytest.mark.docker)])
def server(request: pytest.FixtureRequest, shared_redis: RedisServer) -> Iterator[RedisServer | Redis8]:
    """This machine's Redis, and the deployment's, where galleries in vector sets are."""
    if request.param == "redis":
        yield shared_redis
        return
    redis8 = Redis8("--appendonly", "yes", "--appendfsync", "no")
    yield redis8
    redis8.stop()


@pytest.fixture
async def store(server: RedisServer | Redis8) -> AsyncIterator[RedisStore]:
    with server.client() as client:
        client.flushall()
    store = RedisStore(server.url)
    yield store
    await store.close()


async def made(store: RedisStore, gallery: Gallery = STAFF) -> Gallery:
    await store.create_gallery(gallery, Note("CreateGallery", 1, "", "a", "done", "r"), Idempotency())
    return await store.get_gallery("staff")


def person(person_id: str, name: str, faces: Iterable[str]) -> Person:
    return Person(person_id, name, {}, tuple(Face(face_id, 0.5, 1) for face_id in faces), 1, 1)


async def write(store: RedisStore, gallery: Gallery, *people: tuple[str, Person | None]) -> None:
    """Bring people to these states, all in one write."""
    before = await store.get_people("staff", [person_id for person_id, _ in people])
    changes = []
    for (person_id, after), had in zip(people, before, strict=True):
        known = {face.face_id for face in had.faces} if had else set()
        new = {face.face_id: b"t" for face in after.faces if face.face_id not in known} if after else {}
        changes.append((PersonChange(person_id, had, after, new), Note("A", 1, person_id, "a", "done", "r")))
    [outcome] = await store.change_people(gallery, [Write(changes)])
    assert not isinstance(outcome, Exception), outcome


async def write_as_before(
    store: RedisStore, gallery: Gallery, monkeypatch: pytest.MonkeyPatch, *people: tuple[str, Person | None]
) -> None:
    """As an earlier version of Convoy does, which knows no index and leaves it behind."""
    found = await store.command("HGET", HEAD, "found")
    with monkeypatch.context() as patch:
        patch.setattr(layout, "words_of_person", lambda *_: set())
        await write(store, gallery, *people)
    await (store.command("HDEL", HEAD, "found") if found is None else store.command("HSET", HEAD, "found", found))


async def agree(store: RedisStore, gallery: Gallery) -> None:
    """The index gives everybody whom reading gives; whom it gives besides is no longer what was looked for."""
    everybody = await store.list_people("staff", "", 10_000)
    for name in filter(None, NAMES):
        wanted = {one.person_id for one in everybody if folded(one.display_name) == folded(name)}
        assert set(await store.find_named(gallery, name) or ()) == wanted, name
    owners = {face.face_id: [one.person_id] for one in everybody for face in one.faces}
    assert await store.find_owners(gallery, [*owners, "nobody's"]) == (owners if gallery.vector_sets else {})
    assert await store.command("HGET", HEAD, "found") == await store.command("HGET", HEAD, "version")


@pytest.mark.parametrize("sets", [STAFF.vector_sets, None])
async def test_it_says_what_reading_everybody_says(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch, sets: VectorSets | None
) -> None:
    gallery, chance = await made(store, replace(STAFF, vector_sets=sets)), random.Random(7)
    fresh = iter(range(10**6))
    for step in range(40):
        people: dict[str, Person | None] = {}
        for _ in range(chance.randint(1, 4)):
            name, person_id = chance.choice(NAMES), f"p{chance.randrange(12)}"
            faces = [f"f{next(fresh)}" for _ in range(chance.randint(0, 3))]
            people[person_id] = None if chance.random() < 0.2 else person(person_id, name, faces)
        is_old = chance.random() < 0.25
        known = await store.get_people("staff", list(people))
        people = {i: after for (i, after), had in zip(people.items(), known, strict=True) if after or had}
        if not people:
            continue
        await (
            write_as_before(store, gallery, monkeypatch, *people.items())
            if is_old
            else write(store, gallery, *people.items())
        )
        if step % 3 == 0:
            await agree(store, gallery)
    await agree(store, gallery)


async def test_a_gallery_of_an_earlier_version_gets_its_index_when_it_is_asked(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = await made(store)
    await store.command("HDEL", HEAD, "found")
    await write_as_before(
        store, gallery, monkeypatch, *((f"p{n}", person(f"p{n}", NAMES[n % 9], [f"f{n}"])) for n in range(3000))
    )
    assert await store.command("EXISTS", FOUND) == 0
    await asyncio.gather(*(agree(store, gallery) for _ in range(4)))


async def test_it_may_be_built_while_people_come_and_go(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = await made(store)
    await store.command("HDEL", HEAD, "found")
    await write_as_before(
        store, gallery, monkeypatch, *((f"p{n}", person(f"p{n}", "Ada", [f"f{n}"])) for n in range(3000))
    )
    script, met = store.script, 0

    async def between(name: str, *arguments: object) -> object:
        nonlocal met
        answer = await script(name, *arguments)  # type: ignore[arg-type]
        if name in ("begin_found", "note_found"):
            met += 1
            await write(
                store,
                gallery,
                (f"p{met}", None),
                (f"p{met + 100}", person(f"p{met + 100}", "Jos\u00e9", ["g"] if met == 1 else [])),
            )
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(store, "script", between)
        assert await store.find_named(gallery, "Ada")
    assert met >= 3
    await agree(store, gallery)


async def test_while_an_earlier_version_writes_there_is_no_index(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = await made(store)
    await write(store, gallery, ("ada", person("ada", "Ada", ["f"])))
    await write_as_before(store, gallery, monkeypatch, ("bob", person("bob", "Ada", ["g"])))
    script, count = store.script, iter(range(100))

    async def between(name: str, *arguments: object) -> object:
        if name == "end_found":
            n = next(count)
            await write_as_before(store, gallery, monkeypatch, (f"c{n}", person(f"c{n}", "Ada", [])))
        return await script(name, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(store, "script", between)
        assert await store.find_named(gallery, "Ada") is None and await store.find_owners(gallery, ["f"]) is None
    await agree(store, gallery)


async def test_who_builds_it_elsewhere_is_waited_for_but_not_for_ever(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = await made(store)
    await write(store, gallery, ("ada", person("ada", "Ada", ["f"])))
    version = (await store.command("HGET", HEAD, "version")).decode()
    await store.command("HSET", HEAD, "found", f"{version} beef:{time.time():.0f}")
    asked = asyncio.create_task(store.find_named(gallery, "Ada"))
    await asyncio.sleep(0.05)
    assert not asked.done()
    # A change takes the builder along.
    await write(store, gallery, ("bob", person("bob", "Ada", ["g"])))
    assert (await store.command("HGET", HEAD, "found")).decode().partition(" ")[2].startswith("beef:")
    monkeypatch.setattr(directory, "OTHERS_S", -1.0)
    assert await asked == ["ada", "bob"]
    await agree(store, gallery)


async def test_a_store_that_takes_no_writes_has_no_index_but_answers(
    store: RedisStore, server: RedisServer | Redis8, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = await made(store)
    await write_as_before(store, gallery, monkeypatch, ("ada", person("ada", "Ada", ["f"])))
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)
        try:
            assert await store.find_named(gallery, "Ada") is None
        finally:
            client.config_set("min-replicas-to-write", 0)
    await agree(store, gallery)


async def test_nothing_is_left_of_a_gallery_that_is_deleted(store: RedisStore, server: RedisServer | Redis8) -> None:
    gallery = await made(store)
    await write(store, gallery, ("ada", person("ada", "Ada", ["f"])))
    await write(store, gallery, ("ada", None))
    with server.client() as client:
        assert client.exists(FOUND) == 0
        await write(store, gallery, ("ada", person("ada", "Ada", ["f"])))
        assert "Ada" not in str(client.zrange(FOUND, 0, -1)) and client.exists(FOUND) == 1
        await store.delete_gallery("staff", Note("DeleteGallery", 1, "", "a", "done", "r"))
        assert client.exists(FOUND) == 0
        client.zadd(FOUND, {"n left by an earlier version": 0})
        gallery = await made(store)
        assert client.exists(FOUND) == 0
    await agree(store, gallery)
