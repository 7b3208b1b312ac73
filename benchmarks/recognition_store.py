"""Measures only the store: registering ready embeddings, seeing them on other replicas, and a cold load of a gallery.

    python -m benchmarks.recognition_store [--faces 100000 1000000] [--appendfsync always] [--redis URL]

Starts a Redis for each way of writing its file, or uses the one at --redis and deletes its gallery `benchmark`. Prints
a table and writes benchmarks/results/recognition_store.json; the numbers depend on the machine and its load. It first
measures registration without followers. Then three replicas follow, each a process with the services' event loop, and
report when they have the version.
"""

import argparse
import asyncio
import gc
import multiprocessing
import os
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from convoy.core.serving.server import OBJECTS_BETWEEN_COLLECTIONS
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Idempotency, PersonChange, Write, made
from convoy.recognition.store.redis import RedisStore
from convoy.testing.redis_servers import RedisServer
from redis.asyncio import Redis

from benchmarks.conditions import write_result

LANES = 2
BATCH = 128
SINGLE = 500
# Memory of a face during the load, in numbers of eight bytes: about three times its index.
TAKEN_NUMBERS = 1_000
FOLLOWERS = 3
ROWS: list[dict[str, object]] = []


def write(number: int, vector: np.ndarray) -> Write:
    person_id = f"person-{number:07}"
    person = Person(person_id, "Some Body", {"site": "north"}, (Face("0123456789abcdef", 0.9, 1),), 1, 1)
    template = {"0123456789abcdef": Plain().encode(person_id, "", vector)}
    change = PersonChange(person_id, None, person, template)
    return Write([(change, Note("Register", 1, person_id))])


async def bare_multi(client: Redis, number: int, vector: np.ndarray) -> float:
    """Measure the lower limit, in seconds: the same number of bytes in a MULTI without conditions."""
    started = time.perf_counter()
    pipe = client.pipeline(transaction=True)
    pipe.hset("{bare}:templates", str(number), vector.tobytes())
    pipe.hset("{bare}:people", str(number), "x" * 100)
    pipe.xadd("{bare}:changes", {"token": "0123456789abcdef", "person_id": str(number)})
    await pipe.execute()
    return time.perf_counter() - started


def percentiles(times: np.ndarray) -> str:
    return " / ".join(f"{np.percentile(times, p) * 1e3:.2f}" for p in (50, 99))


def follow(url: str, first: int, seen_at: Any) -> None:
    """Run a replica in its own process; it notes when it has each version from the first on, by the machine's clock."""

    async def run() -> None:
        store = RedisStore(url)
        followers = Followers(store, lambda gallery: Plain())
        await followers.view("benchmark")
        for i in range(-1, len(seen_at) - 1):
            if i >= 0:
                await followers.view("benchmark", first + i)
            seen_at[i] = time.monotonic()
        await followers.close()
        await store.close()

    uvloop.run(run())


async def measure_single(store: RedisStore, gallery: Gallery, vector: np.ndarray, url: str) -> dict[str, str]:
    """Register one by one, alternating with bare writes of the same size; then again with replicas that follow."""
    client = Redis.from_url(url)
    written, bare = np.zeros((2, SINGLE))
    for number in range(SINGLE):
        bare[number] = await bare_multi(client, number, vector)
        started = time.perf_counter()
        [committed] = await store.change_people(gallery, [write(number, vector)])
        written[number] = time.perf_counter() - started
    await client.aclose()

    processes = multiprocessing.get_context("spawn")
    # The last element is the moment at which the replica is loaded.
    seen_at = [processes.Array("d", SINGLE + 1, lock=False) for _ in range(FOLLOWERS)]
    first = made(committed).version + 1
    fleet = [processes.Process(target=follow, args=(url, first, seen)) for seen in seen_at]
    for process in fleet:
        process.start()
    while not all(seen[-1] for seen in seen_at):
        await asyncio.sleep(0.05)
    visible = np.zeros(SINGLE)
    for number in range(SINGLE):
        started = time.monotonic()
        await store.change_people(gallery, [write(SINGLE + number, vector)])
        while not all(seen[number] for seen in seen_at):
            await asyncio.sleep(0.002)
        visible[number] = max(seen[number] for seen in seen_at) - started
    for process in fleet:
        process.join()
    return {
        "register_ms_p50_p99": percentiles(written),
        "bare_multi_ms_p50_p99": percentiles(bare),
        "visible_on_three_ms_p50_p99": percentiles(visible),
    }


async def measure(url: str, title: str, faces: int, dimension: int) -> None:
    store = RedisStore(url)
    gallery = Gallery("benchmark", Model("m", "1", "00" * 32, dimension))
    await store.create_gallery(gallery, Note("CreateGallery", 1), Idempotency())
    gallery = await store.get_gallery("benchmark")
    vector = np.random.default_rng(0).standard_normal(dimension).astype(np.float32)
    vector /= np.linalg.norm(vector)
    single = await measure_single(store, gallery, vector, url)

    batches = iter(range(2 * SINGLE, faces, BATCH))

    async def lane() -> None:
        for first in batches:
            numbers = range(first, min(first + BATCH, faces))
            await store.change_people(gallery, [write(number, vector) for number in numbers])

    started, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(lane() for _ in range(LANES)))
    rate = (faces - 2 * SINGLE) / (time.perf_counter() - started)
    bulk_busy = (time.process_time() - worked) / (faces - 2 * SINGLE)

    while (await store.command("INFO", "persistence"))["aof_rewrite_in_progress"]:
        await asyncio.sleep(0.5)
    # On virtual machines, memory that was not in use lately costs more than everything else here.
    np.ones(faces * TAKEN_NUMBERS)
    started = time.perf_counter()
    for pages in (store.scan_people("benchmark"), store.scan_templates("benchmark")):
        async for _ in pages:
            pass
    reading = time.perf_counter() - started

    cold = Followers(store, lambda gallery: Plain())
    started, worked = time.perf_counter(), time.process_time()
    assert await (await cold.view("benchmark", 2 * SINGLE)).count_faces([]) == faces
    loading, busy = time.perf_counter() - started, time.process_time() - worked
    await cold.close()
    await store.delete_gallery("benchmark", Note("DeleteGallery", 1))
    await store.close()
    ROWS.append(
        {
            "appendfsync": title,
            "faces": faces,
            **single,
            "bulk_faces_per_s": round(rate),
            "bulk_cpu_us_a_face": round(bulk_busy * 1e6, 1),
            "cold_load_s": round(loading, 2),
            "cold_load_cpu_s": round(busy, 2),
            "reading_alone_s": round(reading, 2),
        }
    )
    measured = f"{rate:,.0f} | {loading:.2f} ({busy:.2f}) | {reading:.2f}"
    print(f"| {title:12} | {faces:,} | {' | '.join(single.values())} | {measured} |")


async def main() -> None:
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, nargs="+", default=[100_000])
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--appendfsync", nargs="+", default=["everysec", "always"])
    parser.add_argument("--redis")
    chosen = parser.parse_args()
    if min(chosen.faces) <= 2 * SINGLE:
        parser.error(f"--faces must be over {2 * SINGLE}, since so many are registered one by one")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {chosen.dimension} numbers a face")
    what = ("register", "bare MULTI", "visible on 3")
    columns = [
        "appendfsync",
        "faces",
        *(f"{one}, p50 / p99 ms" for one in what),
        "bulk, faces/s",
        "cold load, s (CPU)",
        "reading alone, s",
    ]
    print(f"| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}")
    if chosen.redis:
        for faces in chosen.faces:
            await measure(chosen.redis, "as it is", faces, chosen.dimension)
        return
    for faces, way in product(chosen.faces, chosen.appendfsync):
        with tempfile.TemporaryDirectory(prefix="convoy-redis-") as folder:
            server = RedisServer(Path(folder), "--appendfsync", way)
            server.start()
            try:
                await measure(server.url, way, faces, chosen.dimension)
            finally:
                server.stop()
    write_result("recognition_store", " ".join(["python -m benchmarks.recognition_store", *sys.argv[1:]]), ROWS)


if __name__ == "__main__":
    uvloop.run(main())
