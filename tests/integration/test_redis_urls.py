"""The other ways to reach Redis, by Sentinel, TLS and password, and the ways in which it can refuse."""

import gc
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from convoy.core.errors import Unavailable
from convoy.fleet.ports import free_range
from convoy.recognition.domain.records import Gallery, Model, Note
from convoy.recognition.store.base import Idempotency
from convoy.recognition.store.redis import RedisStore
from convoy.testing.redis_servers import RedisServer, find_binary

from tests.certificates import Authority

pytestmark = pytest.mark.redis
# redis-py leaves the socket of a connection that fails while it is set up to the garbage collector.
SOCKET_IS_LEFT = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
STAFF = Gallery("staff", Model("m", "1", "00" * 32, 2))


async def works(store: RedisStore) -> None:
    await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    assert (await store.get_gallery("staff")).version == 1
    await store.close()


@pytest.fixture
def sentinel(redis_folder: Path) -> Iterator[str]:
    """The URL of a master that a sentinel watches."""
    master, port = free_range(1), free_range(1)
    server = RedisServer(redis_folder, "--port", str(master), "--bind", "127.0.0.1")
    server.start()
    settings = redis_folder / "sentinel.conf"
    settings.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor people 127.0.0.1 {master} 1\n")
    binary = find_binary()
    assert binary is not None
    process = subprocess.Popen([binary, str(settings), "--sentinel"], stdout=subprocess.DEVNULL)
    with redis.Redis(port=port) as client:
        for _ in range(1000):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.01)
    yield f"redis+sentinel://127.0.0.1:{port}/0/people"
    process.terminate()
    process.wait()
    server.stop()


async def test_a_master_is_found_by_its_sentinel(sentinel: str) -> None:
    await works(RedisStore(sentinel))


async def test_an_unknown_master_is_unavailable(sentinel: str) -> None:
    store = RedisStore(sentinel.replace("people", "nobody"))
    with pytest.raises(Unavailable):
        await store.ping()
    await store.close()


@SOCKET_IS_LEFT
async def test_a_password_is_given_and_a_wrong_one_is_unavailable(redis_folder: Path) -> None:
    port = free_range(1)
    server = RedisServer(redis_folder, "--port", str(port), "--bind", "127.0.0.1")
    server.start()
    with server.client() as client:
        client.config_set("requirepass", "open sesame")
    await works(RedisStore(f"redis://127.0.0.1:{port}/0", lambda: "open sesame"))
    for user, password in (("default@", lambda: "open sesame"), (":open%20sesame@", lambda: "not this one")):
        store = RedisStore(f"redis://{user}127.0.0.1:{port}/0", password)
        await store.ping()
        await store.close()
    for password in (None, lambda: "wrong"):
        store = RedisStore(f"redis://127.0.0.1:{port}/0", password)
        with pytest.raises(Unavailable):
            await store.ping()
        await store.close()
    gc.collect()
    server.stop()


@SOCKET_IS_LEFT
async def test_a_password_that_changes_is_asked_for_anew(redis_folder: Path) -> None:
    port = free_range(1)
    server = RedisServer(redis_folder, "--port", str(port), "--bind", "127.0.0.1")
    server.start()
    with server.client() as client:
        client.config_set("requirepass", "first")
    password = "first"
    store = RedisStore(f"redis://127.0.0.1:{port}/0", lambda: password)
    await store.ping()
    with redis.Redis(port=port, password=password) as client:
        client.config_set("requirepass", "second")
        client.client_kill_filter(_type="normal", skipme=True)
    password = "second"
    await store.ping()
    await store.close()
    gc.collect()
    server.stop()


async def test_a_full_redis_takes_no_change_and_loses_nothing(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url)
    await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    with redis_server.client() as client:
        client.config_set("maxmemory", "1")
    with pytest.raises(Unavailable, match="no memory left"):
        await store.create_gallery(replace(STAFF, name="guests"), Note("CreateGallery", 1), Idempotency())
    assert (await store.get_gallery("staff")).version == 1
    await store.close()


async def test_a_read_only_redis_is_unavailable_for_changes(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url)
    with redis_server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(Unavailable):
        await store.create_gallery(STAFF, Note("CreateGallery", 1), Idempotency())
    await store.close()


@pytest.mark.redis_tls
@SOCKET_IS_LEFT
async def test_tls(redis_folder: Path) -> None:
    key, certificate, port = redis_folder / "tls.key", redis_folder / "tls.crt", free_range(1)
    authority = redis_folder / "ca.crt"
    Authority().fill(redis_folder)
    with_tls = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    with_tls += ["--tls-ca-cert-file", str(authority)]
    server = RedisServer(redis_folder, *with_tls, "--tls-auth-clients", "no")
    server.start()
    await works(RedisStore(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority}"))
    store = RedisStore(f"rediss://127.0.0.1:{port}/0")
    with pytest.raises(Unavailable):
        await store.ping()
    await store.close()
    gc.collect()
    server.stop()
