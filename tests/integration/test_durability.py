"""What was acknowledged survives kill -9 of Redis, of the writer, of both: none lost, none by halves, none back from
deletion. KILLS sets how often each is tried, SEED the random moments."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from convoy.recognition.domain.records import Gallery, Model, Note
from convoy.recognition.store.base import Idempotency
from convoy.recognition.store.redis import RedisStore
from convoy.testing.redis_servers import RedisServer

from tests import store_writer
from tests.store_writer import GALLERY, template

pytestmark = [pytest.mark.redis, pytest.mark.slow]
KILLS = int(os.environ.get("KILLS", "12"))
Tell = Callable[[str, str], None]
SEED = int(os.environ.get("SEED", "1"))
ROOT = Path(__file__).resolve().parents[2]


class Ledger:
    """What a writer said: of each person the last acknowledged number of faces, and the one tried after it."""

    def __init__(self) -> None:
        self.did: dict[str, int] = {}
        self.tried: dict[str, int] = {}
        self.acknowledged = 0

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            match line.split():
                case ["try", person_id, faces]:
                    self.tried[person_id] = int(faces)
                    self.did.setdefault(person_id, 0)
                case ["did", person_id, faces]:
                    self.did[person_id] = int(faces)
                    self.acknowledged += 1

    async def check(self, store: RedisStore) -> None:
        """Everybody is in the acknowledged state or in the one being tried, whole; counters and stream agree."""
        ids = list(self.tried)
        people = await store.get_people(GALLERY, ids)
        expected = {}
        for person_id, person in zip(ids, people, strict=True):
            faces = len(person.faces) if person else 0
            assert faces in (self.did[person_id], self.tried[person_id]), person_id
            self.did[person_id] = self.tried[person_id] = faces
            expected |= {(person_id, f"f{i}"): template(person_id, f"f{i}") for i in range(faces)}
        found = dict([one async for page in store.scan_templates(GALLERY) for one in zip(*page, strict=True)])
        assert found == expected
        gallery = await store.get_gallery(GALLERY)
        assert (gallery.people, gallery.faces) == (sum(person is not None for person in people), len(expected))
        [last] = await store.list_changes(GALLERY, 0, 1)
        assert (last.version, last.token) == (gallery.version, (await store.get_head(GALLERY)).token)


async def prepare(server: RedisServer) -> None:
    store = RedisStore(server.url)
    gallery = Gallery(GALLERY, Model("m", "1", "00" * 32, 2))
    await store.create_gallery(gallery, Note("CreateGallery", 1), Idempotency())
    await store.close()


async def look(server: RedisServer, ledger: Ledger) -> None:
    store = RedisStore(server.url)
    await ledger.check(store)
    await store.close()


async def test_redis_is_killed(redis_server: RedisServer, record_property: Tell) -> None:
    await prepare(redis_server)
    ledger, rng = Ledger(), random.Random(SEED)
    for round_ in range(KILLS):
        lines: list[str] = []
        writing = asyncio.create_task(store_writer.run(redis_server.url, round_, SEED, lines.append))
        await asyncio.sleep(rng.uniform(0.01, 0.2))
        redis_server.kill()
        await writing
        redis_server.start()
        ledger.read(lines)
        await look(redis_server, ledger)
    assert len(ledger.did) > KILLS
    record_property("kills", str(KILLS))
    record_property("acknowledged writes", str(ledger.acknowledged))


@pytest.mark.parametrize("redis_too", [False, True])
async def test_the_writer_is_killed(redis_server: RedisServer, redis_too: bool, record_property: Tell) -> None:
    await prepare(redis_server)
    ledger, rng, kills = Ledger(), random.Random(SEED), max(1, KILLS // 4)
    for round_ in range(kills):
        command = [sys.executable, "-m", "tests.store_writer", redis_server.url, str(round_), str(SEED)]
        writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        first = writer.stdout.readline()
        await asyncio.sleep(rng.uniform(0.01, 0.2))
        victims = [writer.kill, redis_server.kill] if redis_too else [writer.kill]
        rng.shuffle(victims)
        for kill in victims:
            kill()
        said, _ = writer.communicate()
        if redis_too:
            redis_server.start()
        # A line that the kill has cut short says nothing.
        ledger.read([first, *said.splitlines(keepends=True)[: None if said.endswith("\n") else -1]])
        await look(redis_server, ledger)
    assert ledger.did
    record_property("kills", str(kills))
    record_property("acknowledged writes", str(ledger.acknowledged))
