"""Ways to break a running deployment, each as a context manager: broken inside its block, as before after it."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import docker
from docker.models.containers import Container

from tests.e2e.compose import Fleet

REDIS_CLI = 'REDISCLI_AUTH=$(cat /run/redis-password/password) redis-cli "$@"'

# ioctl SIOCSIFFLAGS on the interface lo.
SET_LOOPBACK = """
import fcntl, socket, struct, sys
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", int(sys.argv[1])))
"""
IFF_DOWN, IFF_UP = 0, 1


@dataclass(frozen=True)
class Rig:
    """A fleet and its engine."""

    fleet: Fleet
    engine: docker.DockerClient

    def container(self, service: str) -> Container:
        """The first replica of a service."""
        return self.containers(service)[0]

    def containers(self, service: str) -> list[Container]:
        """The replicas of a service, by number."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        found = self.engine.containers.list(all=True, filters={"label": labels})
        return sorted(found, key=lambda one: one.name)

    @property
    def project(self) -> str:
        """The name of the Compose project."""
        return self.fleet.environment["COMPOSE_PROJECT_NAME"]

    def redis(self, *words: str) -> None:
        """A command to Redis, as its owner."""
        code, output = self.container("redis").exec_run(["sh", "-c", REDIS_CLI, "sh", *words])
        assert code == 0 and b"OK" in output, output


Fault = Callable[[Rig], AbstractContextManager[None]]


def kill(service: str) -> Fault:
    """kill -9 from the host, as the kernel does when memory is short; the engine starts the container again."""

    @contextmanager
    def broken(rig: Rig) -> Iterator[None]:
        process = rig.container(service).attrs["State"]["Pid"]
        words = ["sh", "-c", f"kill -9 {process}"]
        # Without its own /data the image would leave a volume behind.
        place = {"pid_mode": "host", "user": "root", "tmpfs": {"/data": "size=1m"}, "remove": True}
        rig.engine.containers.run("redis:8", words, **place)
        yield

    return broken


def restart(service: str) -> Fault:
    """SIGTERM, and a new start."""

    @contextmanager
    def broken(rig: Rig) -> Iterator[None]:
        rig.container(service).restart(timeout=30)
        yield

    return broken


def pause(service: str) -> Fault:
    """Frozen: it holds its connections and answers nothing."""

    @contextmanager
    def broken(rig: Rig) -> Iterator[None]:
        container = rig.container(service)
        container.pause()
        try:
            yield
        finally:
            container.unpause()

    return broken


def cut(service: str, network: str) -> Fault:
    """Off its network: packets vanish, and it may come back at another address."""

    @contextmanager
    def broken(rig: Rig) -> Iterator[None]:
        wire, container = rig.engine.networks.get(f"{rig.project}_{network}"), rig.container(service)
        wire.disconnect(container)
        try:
            yield
        finally:
            wire.connect(container, aliases=[service])

    return broken


def together(*faults: Fault) -> Fault:
    """Several at once."""

    @contextmanager
    def broken(rig: Rig) -> Iterator[None]:
        with ExitStack() as stack:
            for fault in faults:
                stack.enter_context(fault(rig))
            yield

    return broken


@contextmanager
def redis_stutters(rig: Rig) -> Iterator[None]:
    """Frozen for one second of two, again and again."""
    for _ in range(6):
        with pause("redis")(rig):
            time.sleep(1)
        time.sleep(1)
    yield


def without_names(service: str) -> Fault:
    """Its loopback is down, and Docker's DNS, which lies behind it, with it."""

    @contextmanager
    def broken(rig: Rig) -> Iterator[None]:
        set_loopback(rig, service, IFF_DOWN)
        try:
            yield
        finally:
            set_loopback(rig, service, IFF_UP)

    return broken


def set_loopback(rig: Rig, service: str, flags: int) -> None:
    """From a container with more rights in the same network namespace."""
    container = rig.container(service)
    words = ["-c", SET_LOOPBACK, str(flags)]
    place = {"network_mode": f"container:{container.id}", "cap_add": ["NET_ADMIN"], "user": "root", "remove": True}
    rig.engine.containers.run(container.image, words, entrypoint=["python"], **place)


def tmp_full(service: str) -> Fault:
    """No byte left in /tmp."""

    @contextmanager
    def broken(rig: Rig) -> Iterator[None]:
        container = rig.container(service)
        code, _ = container.exec_run(["sh", "-c", "cat /dev/zero > /tmp/filler"])
        assert code == 1, "it was to end when nothing is left"
        try:
            yield
        finally:
            container.exec_run(["rm", "/tmp/filler"])

    return broken


@contextmanager
def password_changed(rig: Rig) -> Iterator[None]:
    """The password of Redis is made anew as docs/deployment.md says; it is not changed back."""
    rig.fleet.compose("run", "--rm", "-T", "password", "rm /run/redis-password/password")
    rig.fleet.compose("run", "--rm", "-T", "password")
    rig.fleet.compose("restart", "redis")
    yield


@contextmanager
def redis_full(rig: Rig) -> Iterator[None]:
    """More in Redis than maxmemory allows: it reads and refuses to write."""
    rig.redis("config", "set", "maxmemory", "1mb")
    try:
        yield
    finally:
        rig.redis("config", "set", "maxmemory", "1gb")


@contextmanager
def redis_read_only(rig: Rig) -> Iterator[None]:
    """A replica of a master that is away, as in the middle of a failover."""
    rig.redis("replicaof", "127.0.0.1", "1")
    try:
        yield
    finally:
        rig.redis("replicaof", "no", "one")


@contextmanager
def disk_full(rig: Rig) -> Iterator[None]:
    """No byte left where the append-only file lies. With appendfsync always Redis ends itself rather than to lie."""
    disk = rig.container("disk")
    disk.exec_run(["sh", "-c", "cat /dev/zero > /data/filler"])
    try:
        yield
    finally:
        disk.exec_run(["rm", "/data/filler"])


def wait_until(is_true: Callable[[], bool], patience_s: float, what: str) -> float:
    """Seconds until it was true."""
    started = time.monotonic()
    while not is_true():
        assert time.monotonic() - started < patience_s, f"after {patience_s:.0f} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - started
