"""With CONVOY_REDIS_WAIT_REPLICAS what is acknowledged outlives the master, and nothing else is acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from convoy.core.errors import NotFound, Unavailable
from convoy.core.settings import Settings
from convoy.fleet.ports import free_range
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.records import Gallery, Model, Note, Person
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.store import safety
from convoy.recognition.store.base import Conflict, Idempotency, PersonChange
from convoy.recognition.store.connection import may_fail_over
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.use_cases.erasures import read_erasures
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.growth import Growth
from convoy.recognition.use_cases.journal import Journal
from convoy.recognition.use_cases.people import People
from convoy.testing.redis_servers import RedisServer, enlist, join

from tests.fake_face_source import FakeFaceSource

pytestmark = pytest.mark.redis
STAFF = Gallery("staff", Model("embedder", "1", "ab" * 32, 4))


class Follower:
    """A server on a port, which follows another."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_range(1)
        folder.mkdir()
        fixed = ("--port", str(self.port), "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0")
        self.server = RedisServer(folder, *fixed, *options)
        self.server.start()

    def follow(self, port: int) -> None:
        with self.server.client() as client:
            client.replicaof("127.0.0.1", port)


@pytest.fixture
def pair(redis_folder: Path) -> Iterator[tuple[Follower, Follower]]:
    """A master and its follower, in step."""
    master, follower = Follower(redis_folder / "a"), Follower(redis_folder / "b")
    follower.follow(master.port)
    wait_for_followers(master.server, 1)
    yield master, follower
    for one in (master, follower):
        one.server.stop()


def wait_for_followers(server: RedisServer, count: int) -> None:
    with server.client() as client:
        client.set("in step?", 1)
        assert client.execute_command("WAIT", count, 60_000) == count


async def register(store: RedisStore, person_id: str) -> int:
    gallery = await store.get_gallery("staff")
    change = PersonChange(person_id, None, Person(person_id))
    asked = Idempotency(person_id, b"yes")
    return (await store.change_person(gallery, change, Note("Register", 1, person_id), asked)).version


async def test_what_is_acknowledged_is_with_the_follower_when_the_master_dies(pair: tuple[Follower, Follower]) -> None:
    master, follower = pair
    store = RedisStore(f"redis://127.0.0.1:{master.port}/0", wait_replicas=1)
    await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    await asyncio.gather(*(register(store, f"p{i}") for i in range(50)))
    master.server.kill()
    await store.close()
    with follower.server.client() as client:
        assert client.hlen("convoy:{staff}:people") == 50
        assert client.zscore("convoy:galleries", "staff") == 0


async def test_what_no_follower_has_is_not_acknowledged_until_it_is_asked_again(
    pair: tuple[Follower, Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    master, follower = pair
    store = RedisStore(f"redis://127.0.0.1:{master.port}/0", wait_replicas=1)
    await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    gallery = await store.get_gallery("staff")
    monkeypatch.setattr(safety, "SAFE_MS", 200)
    follower.follow(9)
    with pytest.raises(Unavailable) as refused:
        await register(store, "ada")
    assert refused.value.reason == "NOT_REPLICATED"
    # Asked again, it is made once, and still not acknowledged.
    for again in (register(store, "ada"), store.get_answer(gallery, "ada")):
        with pytest.raises(Unavailable, match="0 of 1 followers"):
            await again
    monkeypatch.setattr(safety, "SAFE_MS", 60_000)
    follower.follow(master.port)
    assert await register(store, "ada") == 2
    answer = await store.get_answer(gallery, "ada")
    assert answer is not None and answer.repeated
    await store.close()
    master.server.kill()
    with follower.server.client() as client:
        assert client.hkeys("convoy:{staff}:people") == [b"ada"]


async def test_what_is_refused_is_not_called_made_where_no_follower_answers(
    redis_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with alone(redis_folder, monkeypatch) as store:
        gallery = await store.get_gallery("staff")
        stranger = PersonChange("ada", Person("ada"), None)
        with pytest.raises(Conflict):
            await store.change_person(gallery, stranger, Note("DeletePerson", 1, "ada"), Idempotency())
        with pytest.raises(NotFound):
            await store.delete_gallery("nobody", Note("DeleteGallery", 1))
        with pytest.raises(Unavailable, match="the change is made"):
            await register(store, "ada")


async def test_what_is_erased_is_in_the_journal_also_where_no_follower_has_it(
    redis_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = redis_folder / "journal"
    async with alone(redis_folder, monkeypatch) as store:
        with suppress(Unavailable):
            await register(store, "ada")
        followers = Followers(store, lambda gallery: Plain(), threads=1)
        people = People(followers, Journal(path))
        with pytest.raises(Unavailable, match="the change is made"):
            await people.delete("staff", "ada")
        with pytest.raises(NotFound):
            await people.delete("staff", "ada")
        galleries = Galleries(store, followers, FakeFaceSource(), MasterKeys([]), Growth(Settings()), Journal(path))
        with pytest.raises(Unavailable, match="the change is made"):
            await galleries.delete("staff")
        await followers.close()
    noted = read_erasures(path.read_text().splitlines(), print)
    assert [(one.gallery, one.person_id) for one in noted] == [("staff", "ada"), ("staff", "")]


@asynccontextmanager
async def alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisStore]:
    """A store that waits for a follower, on a server that has none and holds a gallery."""
    server = RedisServer(folder)
    server.start()
    first = RedisStore(server.url)
    await first.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    await first.close()
    monkeypatch.setattr(safety, "SAFE_MS", 50)
    store = RedisStore(server.url, wait_replicas=1)
    try:
        yield store
    finally:
        await store.close()
        server.stop()


@pytest.mark.parametrize("wait_replicas", [0, 1])
async def test_a_master_with_too_few_followers_to_write_is_away(redis_folder: Path, wait_replicas: int) -> None:
    server = RedisServer(redis_folder, "--min-replicas-to-write", "1")
    server.start()
    store = RedisStore(server.url, wait_replicas=wait_replicas)
    with pytest.raises(Unavailable) as refused:
        await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    assert refused.value.reason == "STORE_UNAVAILABLE"
    await store.close()
    server.stop()


async def test_in_a_cluster_the_node_that_wrote_is_asked(redis_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [Follower(redis_folder / str(i), "--cluster-enabled", "yes") for i in range(6)]
    try:
        join([node.server for node in nodes[:3]], [node.port for node in nodes[:3]])
        store = RedisStore(f"redis+cluster://127.0.0.1:{nodes[0].port}", wait_replicas=1)
        monkeypatch.setattr(safety, "SAFE_MS", 200)
        names = [f"g{i}" for i in range(6)]
        for name in names:
            with pytest.raises(Unavailable, match="0 of 1 followers"):
                await store.set_alias(name, "staff")
        for master, follower in zip(nodes[:3], nodes[3:], strict=True):
            enlist(master.server, follower.server, nodes[0].port)
        monkeypatch.setattr(safety, "SAFE_MS", 60_000)
        for name in names:
            await store.create_gallery(Gallery(name, STAFF.model), Note("CreateGallery", 1), Idempotency())
        held = [follower.server for follower in nodes[3:]]
        assert sum(count_galleries(server) for server in held) == len(names)
        await store.close()
    finally:
        for node in nodes:
            node.server.stop()


def count_galleries(server: RedisServer) -> int:
    with server.client() as client:
        return len(client.keys("*:meta"))


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("redis://a:1/0", False),
        ("unix:///a", False),
        ("redis+sentinel://a:1,b:2/0/people", True),
        ("rediss+cluster://a:1", True),
    ],
)
def test_only_sentinels_and_clusters_may_fail_over(url: str, may: bool) -> None:
    assert may_fail_over(url) is may
