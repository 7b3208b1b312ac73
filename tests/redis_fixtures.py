"""Redis servers as fixtures."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.testing.redis_servers import RedisCluster, RedisServer


@pytest.fixture
def redis_folder() -> Iterator[Path]:
    """A folder with a short path: a socket's may have 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="convoy-redis-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def redis_server(redis_folder: Path) -> Iterator[RedisServer]:
    """A server of one test's own, which it may kill; every write is on the disk before it is answered."""
    server = RedisServer(redis_folder, "--appendfsync", "always")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One server for tests that only need a store; `redis_url` empties it."""
    folder = Path(tempfile.mkdtemp(prefix="convoy-redis-"))
    server = RedisServer(folder, "--appendfsync", "no")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def redis_url(shared_redis: RedisServer) -> str:
    """The URL of an empty Redis."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis.url


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[RedisCluster]:
    """A cluster of three nodes; `redis_cluster` empties it."""
    folder = Path(tempfile.mkdtemp(prefix="convoy-redis-"))
    cluster = RedisCluster(folder)
    cluster.start()
    yield cluster
    cluster.stop()
    shutil.rmtree(folder)


@pytest.fixture
def redis_cluster(shared_cluster: RedisCluster) -> RedisCluster:
    """An empty cluster."""
    shared_cluster.empty()
    return shared_cluster
