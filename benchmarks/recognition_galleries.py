"""What many empty galleries cost: how soon a replica is ready, and how much of a core it and Redis take when idle.

    python -m benchmarks.recognition_galleries [1000 10000] [--cluster] [--idle-s 60]

It starts a Redis (or a Redis Cluster of three) and one replica's galleries on this machine, without a network.
"""

import argparse
import asyncio
import logging
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import structlog
from convoy.core.settings import Settings
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.records import Gallery, Model, Note
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Idempotency
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.use_cases.expiry import Sweep
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.growth import Growth
from convoy.recognition.use_cases.people import People
from convoy.testing.redis_servers import RedisCluster, RedisServer

MODEL = Model("embedder", "1", "ab" * 32, 256)
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pids: list[int]) -> float:
    """Seconds of a core that processes have taken."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS


def children() -> list[int]:
    """The servers that this process started."""
    said = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [int(line.split()[0]) for line in said.stdout.splitlines() if "redis" in line]


async def fill(url: str, count: int) -> None:
    """Make so many empty galleries."""
    store = RedisStore(url)
    for start in range(0, count, 50):
        names = [f"g{number:06}" for number in range(start, min(count, start + 50))]
        note = Note("CreateGallery", 1)
        await asyncio.gather(*(store.create_gallery(Gallery(n, MODEL), note, Idempotency()) for n in names))
    await store.close()


async def measure(url: str, idle_s: float) -> None:
    """Load all galleries, be idle, search; print a line."""
    store = RedisStore(url)
    followers = Followers(store, lambda gallery: Plain(), threads=1)
    galleries = Galleries(store, followers, None, MasterKeys([]), Growth(Settings()))  # type: ignore[arg-type]
    sweep = Sweep(store, galleries, People(followers))
    started, spent = time.monotonic(), time.process_time()
    await followers.start()
    sweeping = asyncio.create_task(sweep.on(followers.was_loaded))
    while not followers.is_ready:
        await asyncio.sleep(0.02)
    ready_s, ready_cpu_s = time.monotonic() - started, time.process_time() - spent
    await asyncio.sleep(5)
    servers, idle = children(), time.monotonic()
    mine, theirs = time.process_time(), cpu_of(servers)
    await asyncio.sleep(idle_s)
    passed = time.monotonic() - idle
    mine, theirs = (time.process_time() - mine) / passed, (cpu_of(servers) - theirs) / passed
    probe, times = np.full(256, 1 / 16, np.float32), []
    for number in range(200):
        began = time.monotonic()
        view = await followers.view(f"g{number:06}")
        await view.search(probe, 1, [], False)
        times.append(time.monotonic() - began)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"ready {ready_s:.1f} s ({ready_cpu_s:.1f} s of a core), idle {mine:.3f} core, Redis {theirs:.3f} core, "
        f"a search {statistics.median(times) * 1000:.2f} ms, memory {rss:.0f} MiB",
        flush=True,
    )
    sweeping.cancel()
    await followers.close()
    await store.close()


def main() -> None:
    """Measure each number of galleries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[1000, 10_000])
    parser.add_argument("--cluster", action="store_true")
    parser.add_argument("--idle-s", type=float, default=60.0)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for count in chosen.counts:
        with tempfile.TemporaryDirectory(prefix="convoy-redis-") as folder:
            server = RedisCluster(Path(folder)) if chosen.cluster else RedisServer(Path(folder), "--appendfsync", "no")
            server.start()
            try:
                asyncio.run(fill(server.url, count))
                print(f"{count} galleries, {'cluster' if chosen.cluster else 'one Redis'}: ", end="", flush=True)
                asyncio.run(measure(server.url, chosen.idle_s))
            finally:
                server.stop()


if __name__ == "__main__":
    main()
