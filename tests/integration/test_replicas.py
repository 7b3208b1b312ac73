"""Several replicas on one store: no stale answer with a token, all equal when it is quiet, anew when history breaks."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from convoy.core.errors import DeadlineExceeded, NotFound
from convoy.recognition.domain.caller import Call, begin_call
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Idempotency, PersonChange, Write
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.use_cases.consistency import Consistency
from convoy.recognition.use_cases.people import People
from convoy.testing.redis_servers import RedisServer
from prometheus_client import REGISTRY

pytestmark = pytest.mark.redis
STAFF = Gallery("staff", Model("m", "1", "00" * 32, 16))


def unit(seed: str) -> np.ndarray:
    vector = np.random.default_rng(list(seed.encode())).standard_normal(16).astype(np.float32)
    return vector / np.linalg.norm(vector)


class Member:
    """One replica of the fleet: a store connection and galleries of its own."""

    def __init__(self, url: str, keep: int = 1_000_000) -> None:
        self.store = RedisStore(url, keep=keep)
        self.followers = Followers(self.store, lambda gallery: Plain())
        self.people = People(self.followers)

    async def put(self, person_id: str, *face_ids: str) -> int:
        """Make the person have these faces; none deletes the person. Gives the version."""

        async def attempt() -> int:
            gallery = await self.store.get_gallery("staff")
            [before] = await self.store.get_people("staff", [person_id])
            had = {face.face_id for face in before.faces} if before else set()
            after = Person(person_id, faces=tuple(Face(f, 0.5, 1) for f in face_ids)) if face_ids else None
            new = {f: unit(f"{person_id}/{f}") for f in face_ids if f not in had}
            templates = {f: Plain().encode(person_id, f, vector) for f, vector in new.items()}
            change = PersonChange(person_id, before, after, templates)
            note = Note("Register" if after else "DeletePerson", 1, person_id)
            embeddings = {(person_id, face_id): vector for face_id, vector in new.items()}
            return (await self.people.commit_one(gallery, Write([(change, note)]), embeddings)).version

        return await self.followers.turns.tried_again("staff", attempt)

    async def close(self) -> None:
        await self.followers.close()
        await self.store.close()


@pytest.fixture
async def fleet(redis_url: str) -> AsyncIterator[list[Member]]:
    members = [Member(redis_url) for _ in range(3)]
    await members[0].store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    yield members
    for member in members:
        await member.close()


async def test_who_has_a_token_reads_what_was_written_wherever(fleet: list[Member]) -> None:
    rng = random.Random(1)

    async def caller(lane: int) -> None:
        present: dict[str, tuple[str, ...]] = {}
        for _ in range(40):
            person_id = f"{lane}-{rng.randrange(5)}"
            faces = tuple(f"f{i}" for i in range(4) if rng.random() < 0.4 or f"f{i}" in present.get(person_id, ()))
            faces = () if rng.random() < 0.2 else faces
            version = await rng.choice(fleet).put(person_id, *faces)
            present[person_id] = faces
            view = await rng.choice(fleet).followers.view("staff", version)
            assert sorted(view.index.faces_of(person_id)) == sorted(faces)
            if faces:
                assert view.index.search(unit(f"{person_id}/{faces[0]}"), 1)[0].person_id == person_id

    await asyncio.gather(*(caller(lane) for lane in range(6)))
    head = await fleet[0].store.get_head("staff")
    views = [await member.followers.view("staff", head.version) for member in fleet]
    assert len({view.index.checksum for view in views}) == 1
    gallery = await fleet[0].store.get_gallery("staff")
    assert [(len(view.index), len(view.people)) for view in views] == [(gallery.faces, gallery.people)] * 3


async def test_ones_own_write_is_seen_at_once(fleet: list[Member]) -> None:
    await fleet[0].followers.view("staff")
    for i in range(20):
        await fleet[0].put(f"p{i}", "f")
        follower = fleet[0].followers.get("staff")
        assert follower is not None and follower.view is not None
        assert follower.view.index.search(unit(f"p{i}/f"), 1)[0].person_id == f"p{i}"


async def test_a_version_that_does_not_come_ends_by_the_deadline(fleet: list[Member]) -> None:
    await fleet[0].followers.view("staff")
    begin_call(Call(deadline=asyncio.get_running_loop().time() + 0.2))
    with pytest.raises(DeadlineExceeded, match="version 99"):
        await fleet[0].followers.view("staff", 99)


async def test_a_deleted_gallery_is_gone_everywhere_and_a_new_one_is_another(fleet: list[Member]) -> None:
    version = await fleet[0].put("ada", "f")
    for member in fleet:
        await member.followers.view("staff", version)
    await fleet[0].store.delete_gallery("staff", Note("DeleteGallery", 1))
    for member in fleet:
        with pytest.raises(NotFound):
            await member.followers.view("staff", version + 1)
    other = replace(STAFF, model=replace(STAFF.model, embedding_size=16, sha256="11" * 32))
    made = await fleet[1].store.create_gallery(other, Note("CreateGallery", 1), Idempotency())
    for member in fleet:
        view = await member.followers.view("staff", made.version)
        assert (view.gallery.model.sha256, len(view.index)) == ("11" * 32, 0)


async def test_a_replica_that_fell_behind_a_trimmed_stream_loads_anew(redis_server: RedisServer) -> None:
    ahead, behind = Member(redis_server.url), Member(redis_server.url)
    await ahead.store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    view = await behind.followers.view("staff", await ahead.put("p0", "f"))
    with redis_server.client() as client:
        for i in range(1, 50):
            await ahead.put(f"p{i}", "f")
        client.xtrim("convoy:{staff}:changes", maxlen=1, approximate=False)
    await ahead.put("p0")
    last = await ahead.put("p50", "f")
    view = await behind.followers.view("staff", last)
    assert len(view.index) == 50
    assert view.index.checksum == (await ahead.followers.view("staff", last)).index.checksum
    for member in (ahead, behind):
        await member.close()


async def test_a_process_follows_more_galleries_than_a_pool_of_connections_holds_by_default(redis_url: str) -> None:
    member = Member(redis_url)
    names = [f"gallery-{i:03}" for i in range(110)]
    for name in names:
        await member.store.create_gallery(replace(STAFF, name=name), Note("CreateGallery", 1), Idempotency())
    for name in names:
        await member.followers.view(name)
    await asyncio.sleep(0.2)  # every replica waits for its stream by now
    assert [gallery.name for gallery in await member.store.list_galleries("", 200)] == names
    await member.close()


async def test_an_index_that_differs_from_the_store_is_told_by_the_metric(fleet: list[Member]) -> None:
    member = fleet[0]
    view = await member.followers.view("staff", await member.put("ada", "f1", "f2"))
    consistency = Consistency(member.store, member.followers)
    assert len(set(await consistency.compare("staff"))) == 1
    assert REGISTRY.get_sample_value("convoy_gallery_differs", {"gallery": "staff"}) == 0
    view.index.remove("ada", ["f2"])
    assert len(set(await consistency.compare("staff"))) == 2
    assert REGISTRY.get_sample_value("convoy_gallery_differs", {"gallery": "staff"}) == 1
