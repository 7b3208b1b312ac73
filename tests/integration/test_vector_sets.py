"""Galleries in vector sets, on the Redis 8 of the deployment, and on a cluster of three of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from convoy.core.errors import FailedPrecondition
from convoy.recognition.domain.caller import now_ms
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person, VectorSets
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.search.index import Hit, Index
from convoy.recognition.store.base import Idempotency, PersonChange, Write
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.store.vector_sets import Settled, VectorSetStore
from convoy.recognition.use_cases.people import People
from convoy.testing.redis_servers import Redis8, join

pytestmark = pytest.mark.docker
DIMENSION = 64
RECALL = 0.99


def gallery(shards: int = 1, quantization: str = "NOQUANT") -> Gallery:
    sets = VectorSets("0a1b2c3d", shards, quantization, 500)
    return Gallery("staff", Model("m", "1", "00" * 32, DIMENSION), vector_sets=sets)


def unit(seed: str) -> np.ndarray:
    vector = np.random.default_rng(list(seed.encode())).standard_normal(DIMENSION).astype(np.float32)
    return vector / np.linalg.norm(vector)


def near(vector: np.ndarray, cosine: float, seed: str) -> np.ndarray:
    noise = unit(seed)
    noise -= (noise * vector).sum() * vector
    return (cosine * vector + np.sqrt(1 - cosine**2) * noise / np.linalg.norm(noise)).astype(np.float32)


async def in_lanes(work: Callable[[Any], Awaitable[Any]], items: Iterable[Any], lanes: int = 8) -> list[Any]:
    """Some at a time: the time of a test is round trips."""
    turn = asyncio.Semaphore(lanes)

    async def one(item: Any) -> Any:
        async with turn:
            return await work(item)

    return await asyncio.gather(*map(one, items))


class Member:
    """One replica, and the index that a gallery in memory would have."""

    def __init__(self, url: str) -> None:
        self.store = RedisStore(url)
        self.sets = VectorSetStore(self.store)
        self.followers = Followers(self.store, lambda gallery: Plain(), self.sets)
        self.people = People(self.followers)

    async def put(self, person_id: str, *face_ids: str, oracle: Index | None = None, **facts: object) -> int:
        """Make the person have these faces; none deletes the person. Gives the version."""
        gallery = await self.store.get_gallery("staff")
        [before] = await self.store.get_people("staff", [person_id])
        had = {face.face_id for face in before.faces} if before else set()
        faces = tuple(Face(f, 0.5, 1) for f in face_ids)
        after = Person(person_id, faces=faces, **facts) if face_ids else None  # type: ignore[arg-type]
        new = {f: unit(f"{person_id}/{f}") for f in face_ids if f not in had}
        templates = {f: Plain().encode(person_id, f, vector) for f, vector in new.items()}
        change = PersonChange(person_id, before, after, templates)
        if oracle is not None:
            oracle.remove(person_id, had - set(face_ids))
            for face_id, vector in new.items():
                oracle.add(person_id, face_id, vector)
        write = Write([(change, Note("Register", 1, person_id))])
        return (await self.people.commit_one(gallery, write, {(person_id, f): new[f] for f in new})).version

    async def search(
        self, probe: np.ndarray, version: int, having: dict[str, str] | None = None, exact: bool = False
    ) -> list[Hit]:
        view = await self.followers.view("staff", version)
        return await view.search(probe, 5, list((having or {}).items()), exact)

    async def close(self) -> None:
        await self.followers.close()
        await self.store.close()


@pytest.fixture(scope="module")
def redis8() -> Iterator[Redis8]:
    server = Redis8()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[Redis8]]:
    """Three nodes, a third of the slots each."""
    nodes = [Redis8("--cluster-enabled", "yes") for _ in range(3)]
    join(nodes, [node.port for node in nodes])
    yield nodes
    for node in nodes:
        node.stop()


@pytest.fixture
async def member(redis8: Redis8) -> AsyncIterator[Member]:
    with redis8.client() as client:
        client.flushall()
    member = Member(redis8.url)
    yield member
    await member.close()


async def made(member: Member, gallery: Gallery) -> Gallery:
    await member.sets.announce(gallery)
    await member.store.create_gallery(gallery, Note("CreateGallery", 1), Idempotency())
    return await member.store.get_gallery("staff")


async def filled(member: Member, people: int) -> tuple[Index, int]:
    """People with one face or two; gives the index that a gallery in memory would have, and the last version."""
    oracle = Index(DIMENSION)

    def put(i: int) -> Awaitable[int]:
        faces = ("f1", "f2") if i % 5 == 0 else ("f1",)
        return member.put(f"p{i}", *faces, oracle=oracle, metadata={"site": f"s'\"{i % 3}"})

    return oracle, max(await in_lanes(put, range(people)))


async def test_exact_answers_are_those_of_memory_also_after_deletes(member: Member) -> None:
    await made(member, gallery(shards=3))
    oracle, _ = await filled(member, 200)
    await member.put("p5", oracle=oracle)
    version = await member.put("p10", "f2", oracle=oracle)
    for i in range(20):
        probe = near(unit(f"p{i}/f1"), 0.6, f"noise{i}")
        assert await member.search(probe, version, exact=True) == oracle.search(probe, 5)


@pytest.mark.parametrize("quantization", ["NOQUANT", "Q8"])
async def test_mates_are_found_as_often_as_is_said(member: Member, quantization: str) -> None:
    await made(member, gallery(2, quantization))
    oracle, version = await filled(member, 500)
    probes = [near(unit(f"p{i}/f1"), 0.6, f"noise{i}") for i in range(100)]
    answers = await in_lanes(lambda probe: member.search(probe, version), probes)
    assert np.mean([hits == oracle.search(probe, 5) for hits, probe in zip(answers, probes, strict=True)]) >= RECALL


async def test_a_filter_is_by_any_text_and_answers_as_memory_does(member: Member) -> None:
    await made(member, gallery(shards=2))
    oracle, version = await filled(member, 90)
    wanted = {"site": "s'\"1"}
    among = {f"p{i}" for i in range(90) if i % 3 == 1}
    assert await member.search(unit("p3/f1"), version, wanted) == oracle.search(unit("p3/f1"), 5, among)
    version = await member.put("p3", "f1", metadata=wanted)
    assert (await member.search(unit("p3/f1"), version, wanted))[0].person_id == "p3"
    assert not await member.search(unit("p3/f1"), version, {"site": "elsewhere"})


async def test_who_is_deleted_is_nobody_at_once_even_if_a_set_has_the_face_still(member: Member) -> None:
    kept = await made(member, gallery())
    await member.put("bob", "f1")
    version = await member.put("ada", "f1")
    assert (await member.search(unit("ada/f1"), version))[0].person_id == "ada"
    view = await member.followers.view("staff")
    [ada] = await member.store.get_people("staff", ["ada"])
    deletion = PersonChange("ada", ada, None)
    await member.store.change_person(kept, deletion, Note("DeletePerson", 1, "ada"), Idempotency())
    assert [hit.person_id for hit in await view.search(unit("ada/f1"), 5, [], False)] == ["bob"]
    await member.put("eve", "f1", expire_time_ms=now_ms() - 1)
    hits = await member.search(unit("eve/f1"), (await member.store.get_head("staff")).version)
    assert [hit.person_id for hit in hits] == ["bob"]


async def test_who_gets_another_face_for_the_one_that_a_set_has_is_found(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record changes after the set was asked; nobody has told the set yet."""
    kept = await made(member, gallery())
    view = await member.followers.view("staff", await member.put("ada", "f0"))
    nearest, template = member.sets.nearest, Plain().encode("", "f", unit("ada/f0"))

    async def first(*asked: Any) -> Any:
        found = await nearest(*asked)
        [before] = await member.store.get_people("staff", ["ada"])
        assert before is not None
        after = Person("ada", faces=(Face(f"{before.faces[0].face_id}+", 0.5, 1),))
        change = PersonChange("ada", before, after, {after.faces[0].face_id: template})
        await member.store.change_person(kept, change, Note("Register", 1, "ada"), Idempotency())
        return found

    monkeypatch.setattr(member.sets, "nearest", first)
    for _ in range(3):
        hits = await view.search(unit("ada/f0"), 5, [], False)
        [ada] = await member.store.get_people("staff", ["ada"])
        assert ada is not None
        assert [(hit.person_id, hit.face_id) for hit in hits] == [("ada", ada.faces[0].face_id)]


async def test_faces_that_are_taken_over_are_in_the_sets_before_they_leave(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, settled = await made(member, gallery()), []

    async def settle(gallery: Gallery, version: int, one: Settled, force: bool) -> None:
        await asyncio.sleep(0 if one.person is None else 0.01)
        settled.append(one.person_id)

    monkeypatch.setattr(member.sets, "_settle", settle)
    await member.sets.settle(kept, 1, [Settled("gone", None, {}), Settled("stays", Person("stays"), {})])
    assert settled == ["stays", "gone"]


async def test_people_with_equal_faces_come_by_id_however_many(member: Member) -> None:
    await made(member, gallery(shards=2))
    kept = await member.store.get_gallery("staff")
    version = 0
    for i in range(60):
        person = Person(f"p{i:02}", faces=(Face("f", 0.5, 1),))
        template = {"f": Plain().encode("", "f", unit("the same"))}
        change = PersonChange(person.person_id, None, person, template)
        note = Note("Register", 1, person.person_id)
        version = (await member.store.change_person(kept, change, note, Idempotency())).version
    assert [hit.person_id for hit in await member.search(unit("the same"), version)] == [f"p{i:02}" for i in range(5)]


async def test_a_person_with_many_faces_does_not_crowd_others_out(member: Member) -> None:
    await made(member, gallery())
    await member.put("ada", *(f"f{i}" for i in range(80)))
    version = await member.put("bob", "f1")
    probe = np.mean([unit(f"ada/f{i}") for i in range(80)], axis=0)
    hits = await member.search((probe / np.linalg.norm(probe)).astype(np.float32), version)
    assert [hit.person_id for hit in hits] == ["ada", "bob"]


async def test_a_state_that_comes_late_does_not_undo_a_later_one(member: Member) -> None:
    kept = await made(member, gallery())
    version = await member.put("ada", "f1")
    view = await member.followers.view("staff", version)
    await member.followers.view("staff", await member.put("ada"))
    await member.sets.settle(kept, version, [])
    await view._settle(["ada"], version)  # type: ignore[attr-defined]
    assert await member.sets.measure(kept) == (0, 0)


async def test_what_was_written_while_nobody_followed_is_put_in_at_the_start(member: Member, redis8: Redis8) -> None:
    kept = await made(member, gallery(shards=2))
    await member.followers.view("staff", await member.put("ada", "f1"))
    await member.followers.close()
    member.followers = member.people._followers = Followers(member.store, lambda gallery: Plain(), member.sets)
    writer = Member(redis8.url)
    await writer.put("ada")
    version = await writer.put("bob", "f1", "f2")
    await writer.close()
    assert [hit.person_id for hit in await member.search(unit("bob/f1"), version)] == ["bob"]
    assert (await member.sets.measure(kept))[0] == 2


async def test_after_a_broken_stream_the_sets_are_made_to_agree(member: Member) -> None:
    kept = await made(member, gallery(shards=2))
    for i in range(5):
        await member.put(f"p{i}", "f1")
    version = await member.put("ada", "f1")
    view = await member.followers.view("staff", version)
    await view.load(view.head, anew=True)
    await member.store.command("HDEL", "convoy:{staff}:templates", "ada f1")
    await member.store.command("HDEL", "convoy:{staff}:people", "ada")
    checksum = await view.checksum()
    await view.load(view.head, anew=True)
    assert await view.checksum() != checksum
    assert (await member.sets.measure(kept))[0] == 5


async def test_nothing_is_left_of_a_deleted_gallery(member: Member, redis8: Redis8) -> None:
    kept = await made(member, gallery(shards=4))
    _, version = await filled(member, 20)
    await member.followers.view("staff", version)
    last = await member.store.delete_gallery("staff", Note("DeleteGallery", 1))
    await member.followers.close()
    with redis8.client() as client:
        assert client.keys("*vectors*")
        client.hset("convoy:vector_sets", f"staff {kept.vector_sets.id}", "4 0")  # type: ignore[union-attr]
        await member.sets.sweep({})
        assert not client.keys("*vectors*") and not client.keys("*faces*")
        await member.sets.sweep({})
        assert not client.exists("convoy:vector_sets")
    await member.sets.drop(last)


async def test_the_sweep_reads_what_it_knows_of_an_entry_of_a_later_version(member: Member, redis8: Redis8) -> None:
    kept = await made(member, gallery())
    _, version = await filled(member, 3)
    await member.followers.view("staff", version)
    with redis8.client() as client:
        client.hset("convoy:vector_sets", f"staff {kept.vector_sets.id}", "1 0 hnsw-2")  # type: ignore[union-attr]
        assert client.keys("*vectors*")
        await member.sets.sweep({})
        assert not client.keys("*vectors*")


async def test_quantised_numbers_prove_nothing(member: Member) -> None:
    await made(member, gallery(quantization="Q8"))
    with pytest.raises(FailedPrecondition, match="Q8"):
        await member.search(unit("ada"), await member.put("ada", "f1"), exact=True)


async def test_a_cluster_holds_the_shards_on_every_node_and_answers_as_one(cluster: list[Redis8]) -> None:
    members = [Member(f"redis+cluster://127.0.0.1:{cluster[0].port}") for _ in range(3)]
    await made(members[0], gallery(shards=8))
    oracle, version = await filled(members[0], 200)
    version = await members[1].put("p7", oracle=oracle)
    probes = [near(unit(f"p{i}/f1"), 0.6, f"noise{i}") for i in range(20)]
    for member in members:
        answers = await in_lanes(partial(member.search, version=version, exact=True), probes, lanes=2)
        assert answers == [oracle.search(probe, 5) for probe in probes]
    for node in cluster:
        with node.client() as client:
            assert client.keys("*vectors*")
    for member in members:
        await member.close()


async def test_a_server_without_vector_sets_is_refused(redis_url: str) -> None:
    store = RedisStore(redis_url)
    with pytest.raises(FailedPrecondition, match=r"Redis 8\.0"):
        await VectorSetStore(store).check()
    await store.close()
