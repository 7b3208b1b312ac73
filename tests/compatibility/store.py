"""A whole Redis as lines of JSON: each key as DUMP gives it, and how long it has to live.

RESTORE takes a payload of its own version and of older ones.
"""

import base64
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from convoy.testing.redis_servers import Redis8, RedisServer


@contextmanager
def running() -> Iterator[RedisServer]:
    """An empty Redis of one's own; nothing is kept. Its folder has a short path, as a socket must have."""
    with tempfile.TemporaryDirectory(prefix="convoy-redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def running_8() -> Iterator[Redis8]:
    """The same on the Redis 8 of the deployment, in a container."""
    server = Redis8()
    try:
        yield server
    finally:
        server.stop()


def save(client: "redis.Redis", file: Path) -> None:
    """Write every key."""
    lines = []
    for key in sorted(client.scan_iter()):
        payload = base64.b64encode(client.dump(key)).decode()
        lines.append(json.dumps({"key": key.decode(), "ttl_ms": max(0, client.pttl(key)), "payload": payload}))
    file.write_text("".join(f"{line}\n" for line in lines))


def load(client: "redis.Redis", file: Path) -> None:
    """The inverse of save, into an empty Redis. What had so long to live has it again from now on."""
    for line in file.read_text().splitlines():
        kept = json.loads(line)
        client.restore(kept["key"], kept["ttl_ms"], base64.b64decode(kept["payload"]))
