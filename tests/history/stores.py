"""Where a history keeps its gallery, and what can befall that: one Redis, a Redis Cluster, vector sets in a Redis 8.

Each has every write on the disk before it answers, as docker-compose.yml sets it.
"""

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from convoy.testing.redis_servers import Redis8, RedisCluster, RedisServer
from convoy.v1 import recognition_pb2 as r

ON_DISK = ("--appendfsync", "always")


class Store(Protocol):
    """url: for recognition."""

    url: str

    def start(self) -> None:
        """Start what was killed, and return when it answers."""

    def kill(self, rng: random.Random) -> None:
        """Kill it, or one of its nodes."""

    def pause(self, rng: random.Random) -> None:
        """Freeze it, or one of its nodes, until `resume`."""

    def resume(self) -> None:
        """Let it go on."""

    def stop(self) -> None:
        """End it for good."""

    def gallery(self, name: str) -> r.CreateGalleryRequest:
        """What makes a gallery there."""


class OneRedis:
    def __init__(self, folder: Path) -> None:
        self._server = RedisServer(folder, *ON_DISK)
        self._server.start()
        self.url = self._server.url

    def start(self) -> None:
        self._server.start()

    def kill(self, rng: random.Random) -> None:
        self._server.kill()

    def pause(self, rng: random.Random) -> None:
        self._server.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._server.signal(signal.SIGCONT)

    def stop(self) -> None:
        self._server.stop()

    def gallery(self, name: str) -> r.CreateGalleryRequest:
        return r.CreateGalleryRequest(gallery=name)


class Cluster:
    """Three nodes without followers. While one is away the others refuse, the gallery's own or not."""

    def __init__(self, folder: Path) -> None:
        self._cluster = RedisCluster(folder, *ON_DISK)
        self._cluster.start()
        self.url = self._cluster.url
        self._away: RedisServer | None = None

    def start(self) -> None:
        if self._away is not None:
            self._away.start()
            self._cluster.until_whole()

    def kill(self, rng: random.Random) -> None:
        self._away = rng.choice(self._cluster.nodes)
        self._away.kill()

    def pause(self, rng: random.Random) -> None:
        self._away = rng.choice(self._cluster.nodes)
        self._away.signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._away is not None:
            self._away.signal(signal.SIGCONT)

    def stop(self) -> None:
        self._cluster.stop()

    def gallery(self, name: str) -> r.CreateGalleryRequest:
        return r.CreateGalleryRequest(gallery=name)


class InVectorSets:
    """A container of the deployment's image."""

    def __init__(self, folder: Path) -> None:
        self._server = Redis8("--appendonly", "yes", *ON_DISK, is_kept=True)
        self.url = self._server.url

    def start(self) -> None:
        self._server.start()

    def kill(self, rng: random.Random) -> None:
        self._server.kill()

    def pause(self, rng: random.Random) -> None:
        self._server.pause()

    def resume(self) -> None:
        self._server.resume()

    def stop(self) -> None:
        self._server.stop()

    def gallery(self, name: str) -> r.CreateGalleryRequest:
        sets = r.VectorSets(shards=2)
        return r.CreateGalleryRequest(gallery=name, backend=r.BACKEND_VECTOR_SETS, vector_sets=sets)


STORES: dict[str, Callable[[Path], Store]] = {"redis": OneRedis, "cluster": Cluster, "vector-sets": InVectorSets}
