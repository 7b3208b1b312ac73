"""A restored backup brings back who was erased since: audit or journal tell whom, and they are erased again."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from convoy.core.errors import Unavailable
from convoy.core.settings import Settings
from convoy.recognition.domain.caller import now_ms
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person
from convoy.recognition.domain.tasks import all_ended
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Idempotency, PersonChange, Write
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.use_cases.creation import Creation
from convoy.recognition.use_cases.erasures import Erasure, erase_again, find_again, list_erasures, read_erasures
from convoy.recognition.use_cases.expiry import Sweep
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.growth import Growth
from convoy.recognition.use_cases.journal import Journal
from convoy.recognition.use_cases.merging import Merging
from convoy.recognition.use_cases.people import People
from convoy.testing.redis_servers import RedisServer

from tests.fake_face_source import FakeFaceSource

pytestmark = pytest.mark.redis
MODEL = Model("embedder", "1", "ab" * 32, 4)
TEMPLATE = b"\0\0\x80\x3f" + b"\0" * 12
NAMES = ("ada", "bob", "cyd", "dan", "eve", "flo")


class House:
    """Use cases on Redis, with a journal."""

    def __init__(self, store: RedisStore, journal: Path) -> None:
        self.store = store
        self.followers = Followers(store, lambda gallery: Plain(), threads=1)
        self.people = People(self.followers, Journal(journal))
        self.merging = Merging(self.followers, self.people)
        self.creation = Creation(self.followers, self.people)
        self.galleries = Galleries(
            store, self.followers, FakeFaceSource(), MasterKeys([]), Growth(Settings()), Journal(journal)
        )

    async def add(self, name: str, person_id: str, expires_ms: int | None = None) -> None:
        gallery, now = await self.store.get_gallery(name), now_ms()
        faces = tuple(Face(f"{person_id}{i}", 0.5, now) for i in range(2))
        person = Person(person_id, "secret name", {}, faces, now, now, expires_ms)
        change = PersonChange(person_id, None, person, {face.face_id: TEMPLATE for face in faces})
        await self.store.change_people(gallery, [Write([(change, Note("Register", now, person_id))])])

    async def there(self) -> dict[str, dict[str, int]]:
        """How many faces everybody has, by gallery."""
        galleries = [one.name for one in await self.store.list_galleries("", 9)]
        return {
            name: {one.person_id: len(one.faces) for one in await self.store.list_people(name, "", 99)}
            for name in galleries
        }


@pytest.fixture
async def house(redis_url: str, tmp_path: Path) -> AsyncIterator[House]:
    house = House(RedisStore(redis_url), tmp_path / "journal")
    for name in ("staff", "guests"):
        await house.store.create_gallery(
            Gallery(name, MODEL, create_time_ms=now_ms()), Note("CreateGallery", now_ms()), Idempotency()
        )
    for person_id in NAMES:
        await house.add("staff", person_id, now_ms() - 1 if person_id == "dan" else None)
    yield house
    await house.followers.close()
    await house.store.close()


def state(server: RedisServer) -> dict[bytes, bytes]:
    with server.client() as client:
        return {key: client.dump(key) for key in client.scan_iter()}


def put_back(server: RedisServer, kept: dict[bytes, bytes]) -> None:
    with server.client() as client:
        client.flushall()
        for key, payload in kept.items():
            client.restore(key, 0, payload)


async def erase_in_every_way(house: House) -> None:
    """After the backup: ada is deleted and comes anew, bob loses a face, eve goes into cyd, dan expires, guests end."""
    await house.people.delete("staff", "ada")
    await house.people.delete_face("staff", "bob", "bob0")
    await house.merging.merge("staff", "cyd", "eve", "")
    await house.people.expire(await house.store.get_gallery("staff"), 10)
    await house.galleries.delete("guests")
    await house.add("staff", "ada")
    await house.add("staff", "new")


AGAIN = {"staff": {"bob": 1, "cyd": 2, "flo": 2}}


@pytest.mark.parametrize("source", ["audit", "journal"])
async def test_what_was_erased_is_found_and_erased_again(
    house: House, shared_redis: RedisServer, tmp_path: Path, source: str
) -> None:
    backup = state(shared_redis)
    before = await house.there()
    await erase_in_every_way(house)
    if source == "audit":
        lines = [erasure.to_json() async for erasure in list_erasures(house.store)]
    else:
        lines = (tmp_path / "journal").read_text().splitlines()
        assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600
    assert not any("secret" in line for line in lines)
    put_back(shared_redis, backup)
    assert await house.there() == before
    found = [erasure async for erasure in find_again(house.store, read_erasures(lines, print))]
    assert {(one.gallery, one.person_id) for one in found} == {
        ("staff", "ada"),
        ("staff", "bob"),
        ("staff", "eve"),
        ("staff", "dan"),
        ("guests", ""),
    }
    for erasure in found:
        await erase_again(house.store, erasure)
    assert await house.there() == AGAIN
    with shared_redis.client() as client:
        assert sorted(client.hkeys("convoy:{staff}:templates")) == [
            b"bob bob1",
            b"cyd cyd0",
            b"cyd cyd1",
            b"flo flo0",
            b"flo flo1",
        ]
    assert [erasure async for erasure in find_again(house.store, read_erasures(lines, print))] == []


async def test_the_command_lists_and_erases_and_begins_epochs(
    house: House, shared_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOY_REDIS_URL", shared_redis.url)
    backup, epoch = state(shared_redis), (await house.store.get_head("staff")).epoch
    await erase_in_every_way(house)

    def recovery(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "convoy.recognition.recovery", *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True)

    listed = recovery("list").stdout
    put_back(shared_redis, backup)
    told = recovery("renew", stdin=listed).stderr
    assert "erased since the backup: gallery staff, person ada" in told and "5 erasures are undone" in told
    assert (await house.there())["staff"]["ada"] == 2
    assert "erased again: gallery staff, faces of person bob" in recovery("renew", "--erase", stdin=listed).stderr
    assert await house.there() == AGAIN
    assert (await house.store.get_head("staff")).epoch not in ("", epoch)


@pytest.mark.parametrize("comes_anew", [False, True])
@pytest.mark.parametrize("source", ["audit", "journal"])
async def test_who_went_with_the_last_face_is_erased_whole(
    house: House, shared_redis: RedisServer, tmp_path: Path, source: str, comes_anew: bool
) -> None:
    backup = state(shared_redis)
    await house.people.delete_face("staff", "ada", "ada0", and_person=True)
    await house.people.delete_face("staff", "ada", "ada1", and_person=True)
    if comes_anew:
        await asyncio.sleep(0.002)
        await house.add("staff", "ada")
    lines = [erasure.to_json() async for erasure in list_erasures(house.store)]
    if source == "journal":
        lines = (tmp_path / "journal").read_text().splitlines()
    put_back(shared_redis, backup)
    for erasure in [one async for one in find_again(house.store, read_erasures(lines, print))]:
        await erase_again(house.store, erasure)
    assert await house.store.get_people("staff", ["ada"]) == [None]


async def test_who_lost_a_face_again_stays_after_the_next_restore(house: House, shared_redis: RedisServer) -> None:
    backup = state(shared_redis)
    await house.people.delete_face("staff", "bob", "bob0")
    for _ in range(2):
        listed = [erasure async for erasure in list_erasures(house.store)]
        put_back(shared_redis, backup)
        for erasure in [one async for one in find_again(house.store, listed)]:
            await erase_again(house.store, erasure)
        assert (await house.there())["staff"]["bob"] == 1


async def test_a_store_that_is_away_does_not_pass_for_one_without_erasures(house: House) -> None:
    erasures = [Erasure("staff", now_ms(), "ada")]
    away = RedisStore("redis://127.0.0.1:1/0")
    with pytest.raises(Unavailable):
        [_ async for _ in find_again(away, erasures)]
    await away.close()


async def test_who_hangs_up_does_not_keep_an_erasure_from_the_journal(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    def and_hang_up(method: Callable[..., Any]) -> Callable[..., Any]:
        async def slow(*arguments: Any) -> Any:
            done = await method(*arguments)
            asked.set()
            await asyncio.sleep(0.05)
            return done

        return slow

    monkeypatch.setattr(house.store, "change_people", and_hang_up(house.store.change_people))
    monkeypatch.setattr(house.store, "delete_gallery", and_hang_up(house.store.delete_gallery))
    for call in (house.people.delete("staff", "ada"), house.galleries.delete("guests")):
        asked.clear()
        calling = asyncio.create_task(call)
        await asked.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await all_ended()
    noted = list(read_erasures((tmp_path / "journal").read_text().splitlines(), print))
    assert [(one.gallery, one.person_id) for one in noted] == [("staff", "ada"), ("guests", "")]


def test_a_line_that_cannot_be_read_is_told_and_the_others_count() -> None:
    lines = [Erasure("g", 5, "p").to_json(), '{"gallery": "g", "tim', "[1]", "{}", Erasure("g", 6).to_json()]
    told: list[str] = []
    assert list(read_erasures(lines, told.append)) == [Erasure("g", 5, "p"), Erasure("g", 6)]
    assert [sentence.split()[:2] for sentence in told] == [["line", "2"], ["line", "3"], ["line", "4"]]


async def test_what_cannot_be_noted_is_not_acknowledged(house: House, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    with pytest.raises(Unavailable) as refused:
        await house.people.delete("staff", "ada")
    assert refused.value.reason == "JOURNAL_UNAVAILABLE"


async def test_a_journal_that_cannot_be_written_ends_no_sweep(house: House, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    await house.add("guests", "zoe", now_ms() - 1)
    await Sweep(house.store, house.galleries, house.people).once()
    people = await house.there()
    assert "zoe" not in people["guests"] and "dan" not in people["staff"]


async def test_a_line_that_the_disk_has_no_room_for_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, words: write(file, words[:20]))
    with pytest.raises(Unavailable, match="No space left"):
        await Journal(tmp_path / "journal").note([Erasure("g", 5, "p")])


def test_a_line_is_read_as_it_was_written_and_later_facts_are_passed_over() -> None:
    for erasure in (
        Erasure("g", 5),
        Erasure("g", 5, "p", 7),
        Erasure("g", 5, "p", 7, ("a",)),
        Erasure("g", 5, "p", 7, None, ()),
    ):
        line = erasure.to_json()
        assert list(read_erasures([line, "", line.replace("{", '{"later": 1, ', 1)], print)) == [erasure] * 2


async def rename_and_erase(house: House) -> None:
    """After the backup people get other ids; some are erased under those, and others come under the old ones."""
    rename = house.creation.rename
    await house.people.delete_face("staff", "ada", "ada0")
    await rename("staff", "ada", "ada.l", "")  # lives on with one face
    await rename("staff", "bob", "bob.2", "")
    await rename("staff", "bob.2", "bob.3", "")
    await house.people.delete("staff", "bob.3")
    await rename("staff", "cyd", "cyd.2", "")
    await house.people.delete_face("staff", "cyd.2", "cyd1")
    await rename("staff", "eve", "eve.2", "")
    await house.add("staff", "eve")
    await house.people.delete("staff", "eve")  # another one than the eve of the backup


@pytest.mark.parametrize("source", ["audit", "journal"])
async def test_who_was_erased_under_another_id_is_erased_and_who_was_renamed_stays(
    house: House, shared_redis: RedisServer, tmp_path: Path, source: str
) -> None:
    backup = state(shared_redis)
    await rename_and_erase(house)
    if source == "audit":
        lines = [erasure.to_json() async for erasure in list_erasures(house.store)]
    else:
        lines = (tmp_path / "journal").read_text().splitlines()
    put_back(shared_redis, backup)
    async for erasure in find_again(house.store, read_erasures(lines, print)):
        await erase_again(house.store, erasure)
    left = (await house.there())["staff"]
    assert "bob" not in left
    assert {one: left.get(one) for one in ("ada", "cyd", "flo")} == {"ada": 1, "cyd": 1, "flo": 2}


@pytest.mark.parametrize("source", ["audit", "journal"])
async def test_who_came_under_the_former_id_of_somebody_erased_stays(
    house: House, shared_redis: RedisServer, tmp_path: Path, source: str
) -> None:
    await house.creation.rename("staff", "ada", "ada.l", "")
    await asyncio.sleep(0.002)
    await house.add("staff", "ada")
    backup = state(shared_redis)
    await house.people.delete("staff", "ada.l")
    lines = [erasure.to_json() async for erasure in list_erasures(house.store)]
    if source == "journal":
        lines = (tmp_path / "journal").read_text().splitlines()
    put_back(shared_redis, backup)
    found = [erasure async for erasure in find_again(house.store, read_erasures(lines, print))]
    assert [one.person_id for one in found] == ["ada.l"]
