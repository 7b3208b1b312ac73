"""What only newer servers can do, on the Redis 8 of the deployment."""

from collections.abc import Iterator

import pytest
from convoy.recognition.domain.records import Gallery, Model, Note, Person
from convoy.recognition.store.base import Idempotency, PersonChange
from convoy.recognition.store.redis import RedisStore
from convoy.testing.redis_servers import Redis8

pytestmark = pytest.mark.docker
STAFF = Gallery("staff", Model("m", "1", "00" * 32, 2))


@pytest.fixture(scope="module")
def redis8() -> Iterator[Redis8]:
    """A fresh Redis 8 that writes its file to disk once a second."""
    server = Redis8("--appendonly", "yes", "--appendfsync", "everysec")
    yield server
    server.stop()


async def test_a_change_is_acknowledged_when_it_is_on_the_disk(redis8: Redis8) -> None:
    store = RedisStore(redis8.url, wait_aof=True)
    await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    gallery = await store.get_gallery("staff")
    change = PersonChange("ada", None, Person("ada"))
    assert (await store.change_person(gallery, change, Note("Register", 1, "ada"), Idempotency())).version == 2
    with redis8.client() as operator:  # recognition's own user may not ask
        info = operator.info("persistence")
    assert info["aof_pending_bio_fsync"] == 0
    await store.close()
