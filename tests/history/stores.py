"""Where a history keeps its gallery, and what can befall that: one Redis, a Redis Cluster with followers, vector sets.

Each has every write on the disk before it answers, as docker-compose.yml sets it.
"""

import random
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from convoy.testing.redis_servers import Redis8, RedisCluster, RedisServer
from convoy.v1 import recognition_pb2 as r

from tests.history.callers import GALLERY

ON_DISK = ("--appendfsync", "always")
KEY = f"convoy:{{{GALLERY}}}:meta"
NODE_TIMEOUT_MS = 2000
TAKEN_OVER = 0.75


class Store(Protocol):
    """url, settings: for recognition; share: how often something befalls it, where a replica's share is 1."""

    url: str
    settings: ClassVar[Mapping[str, str]]
    share: ClassVar[int]

    def start(self) -> None:
        """Start what was killed, and return when it answers."""

    def kill(self, rng: random.Random) -> str:
        """Kill it, or some of its nodes; say what was killed."""

    def pause(self, rng: random.Random) -> str:
        """Freeze it, or one of its nodes, until `resume`; say what was paused."""

    def resume(self) -> None:
        """Let it go on."""

    def stop(self) -> None:
        """End it for good."""

    def gallery(self, name: str) -> r.CreateGalleryRequest:
        """What makes a gallery there."""


class OneRedis:
    settings: ClassVar[Mapping[str, str]] = {}
    share: ClassVar[int] = 1

    def __init__(self, folder: Path) -> None:
        self._server = RedisServer(folder, *ON_DISK)
        self._server.start()
        self.url = self._server.url

    def start(self) -> None:
        self._server.start()

    def kill(self, rng: random.Random) -> str:
        self._server.kill()
        return "Redis"

    def pause(self, rng: random.Random) -> str:
        self._server.signal(signal.SIGSTOP)
        return "Redis"

    def resume(self) -> None:
        self._server.signal(signal.SIGCONT)

    def stop(self) -> None:
        self._server.stop()

    def gallery(self, name: str) -> r.CreateGalleryRequest:
        return r.CreateGalleryRequest(gallery=name)


class Cluster:
    """Three masters, each with a follower that takes over. Recognition acknowledges what a follower has too.

    All that befalls it is over when every master has its follower again: what two faults in a row do is not promised.
    """

    settings: ClassVar[Mapping[str, str]] = {"CONVOY_REDIS_WAIT_REPLICAS": "1"}
    share: ClassVar[int] = 3

    def __init__(self, folder: Path) -> None:
        options = ("--min-replicas-to-write", "1", "--cluster-node-timeout", str(NODE_TIMEOUT_MS))
        self._cluster = RedisCluster(folder, *ON_DISK, *options, is_followed=True)
        self._cluster.start()
        self.url = self._cluster.url
        self._away: list[RedisServer] = []
        self._left: RedisServer | None = None

    def kill(self, rng: random.Random) -> str:
        what = rng.choice(["a master", "its master", "its master", "its follower", "its master and another's follower"])
        self._away = self._chosen(what, rng)
        master = self._cluster.master_of(KEY)
        # Whoever is back in time is master still.
        self._left = master if master in self._away and rng.random() < TAKEN_OVER else None
        for node in self._away:
            node.kill()
        return f"{what}{' (a failover)' * (self._left is not None)}"

    def start(self) -> None:
        if self._left is not None:
            self._cluster.until_taken_over(KEY, self._left)
        for node in self._away:
            node.start()
        self._cluster.until_whole()

    def pause(self, rng: random.Random) -> str:
        what = rng.choice(["a master", "its master", "its follower"])
        self._away = self._chosen(what, rng)
        for node in self._away:
            node.signal(signal.SIGSTOP)
        return what

    def resume(self) -> None:
        for node in self._away:
            node.signal(signal.SIGCONT)
        self._cluster.until_whole()

    def _chosen(self, what: str, rng: random.Random) -> list[RedisServer]:
        """The nodes that the words name; "its" is the gallery's."""
        its_master = self._cluster.master_of(KEY)
        assert its_master is not None
        its_follower = self._cluster.follower_of(its_master)
        others = [node for node in self._cluster.nodes if node not in (its_master, its_follower)]
        masters = [node for node in others if self._cluster.follower_of(node) is not None]
        followers = [node for node in others if node not in masters]
        words: dict[str, list[RedisServer | None]] = {
            "a master": [rng.choice(masters)],
            "its master": [its_master],
            "its follower": [its_follower],
            "its master and another's follower": [its_master, rng.choice(followers)],
        }
        return [node for node in words[what] if node is not None]

    def stop(self) -> None:
        self._cluster.stop()

    def gallery(self, name: str) -> r.CreateGalleryRequest:
        return r.CreateGalleryRequest(gallery=name)


class InVectorSets:
    """A container of the deployment's image."""

    settings: ClassVar[Mapping[str, str]] = {}
    share: ClassVar[int] = 1

    def __init__(self, folder: Path) -> None:
        self._server = Redis8("--appendonly", "yes", *ON_DISK, is_kept=True)
        self.url = self._server.url

    def start(self) -> None:
        self._server.start()

    def kill(self, rng: random.Random) -> str:
        self._server.kill()
        return "Redis"

    def pause(self, rng: random.Random) -> str:
        self._server.pause()
        return "Redis"

    def resume(self) -> None:
        self._server.resume()

    def stop(self) -> None:
        self._server.stop()

    def gallery(self, name: str) -> r.CreateGalleryRequest:
        sets = r.VectorSets(shards=2)
        return r.CreateGalleryRequest(gallery=name, backend=r.BACKEND_VECTOR_SETS, vector_sets=sets)


STORES: dict[str, Callable[[Path], Store]] = {"redis": OneRedis, "cluster": Cluster, "vector-sets": InVectorSets}
