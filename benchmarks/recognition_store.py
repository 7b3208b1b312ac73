"""The store's path alone: registering ready embeddings, seeing them on other replicas, and loading a gallery from cold.

    python -m benchmarks.recognition_store [--faces 100000] [--dimension 512] [--appendfsync always] [--redis URL]

Starts a Redis of its own for each way of writing its file, or takes the one at --redis (its gallery `benchmark` is
deleted). Prints a table and writes
benchmarks/results/recognition_store.json; the machine and its load decide the times.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from convoy.recognition.records import Face, Gallery, Model, Note, Person
from convoy.recognition.replicas import Replicas
from convoy.recognition.store.base import PersonChange, Request, Write, made
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.templates import Plain
from redis.asyncio import Redis

from benchmarks.conditions import write_result
from tests.redis_server import RedisServer

LANES = 2
BATCH = 128
SINGLE = 500
ROWS: list[dict[str, object]] = []


def write(number: int, vector: np.ndarray) -> Write:
    person_id = f"person-{number:07}"
    person = Person(person_id, "Some Body", {"site": "north"}, (Face("0123456789abcdef", 0.9, 1),), 1, 1)
    template = {"0123456789abcdef": Plain().encode(person_id, "", vector)}
    change = PersonChange(person_id, None, person, template)
    return Write([(change, Note("Register", 1, person_id))])


async def bare_multi(client: Redis, number: int, vector: np.ndarray) -> float:
    """The floor, in seconds: as many bytes in one MULTI that decides nothing."""
    started = time.perf_counter()
    pipe = client.pipeline(transaction=True)
    pipe.hset("{bare}:templates", str(number), vector.tobytes())
    pipe.hset("{bare}:people", str(number), "x" * 100)
    await pipe.xadd("{bare}:changes", {"token": "0123456789abcdef", "person_id": str(number)}).execute()
    return time.perf_counter() - started


def percentiles(times: list[float]) -> str:
    return " / ".join(f"{np.percentile(times, p) * 1e3:.2f}" for p in (50, 99))


async def measure(url: str, title: str, faces: int, dimension: int) -> None:
    store, watchers = RedisStore(url), [RedisStore(url) for _ in range(3)]
    fleet = [Replicas(watcher, lambda gallery: Plain()) for watcher in watchers]
    gallery = Gallery("benchmark", Model("m", "1", "00" * 32, dimension))
    await store.create_gallery(gallery, Note("CreateGallery", 1), Request())
    gallery = await store.get_gallery("benchmark")
    for replicas in fleet:
        await replicas.state("benchmark")
    vector = np.random.default_rng(0).standard_normal(dimension).astype(np.float32)
    vector /= np.linalg.norm(vector)

    written, visible, bare = [], [], []
    client = Redis.from_url(url)
    for number in range(SINGLE):
        bare.append(await bare_multi(client, number, vector))
        started = time.perf_counter()
        [committed] = await store.change_people(gallery, [write(number, vector)])
        written.append(time.perf_counter() - started)
        version = made(committed).version
        await asyncio.gather(*(replicas.state("benchmark", version) for replicas in fleet))
        visible.append(time.perf_counter() - started)
    for replicas in fleet:
        await replicas.close()
    await client.aclose()

    batches = iter(range(SINGLE, faces, BATCH))

    async def lane() -> None:
        for first in batches:
            numbers = range(first, min(first + BATCH, faces))
            await store.change_people(gallery, [write(number, vector) for number in numbers])

    started, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(lane() for _ in range(LANES)))
    rate = (faces - SINGLE) / (time.perf_counter() - started)
    bulk_busy = (time.process_time() - worked) / (faces - SINGLE)

    cold = Replicas(store, lambda gallery: Plain())
    started, worked = time.perf_counter(), time.process_time()
    assert len((await cold.state("benchmark", SINGLE)).index) == faces
    loading, busy = time.perf_counter() - started, time.process_time() - worked
    await cold.close()
    await store.delete_gallery("benchmark", Note("DeleteGallery", 1))
    for each in (store, *watchers):
        await each.close()
    ROWS.append(
        {
            "appendfsync": title,
            "faces": faces,
            "register_ms_p50_p99": percentiles(written),
            "bare_multi_ms_p50_p99": percentiles(bare),
            "visible_on_three_ms_p50_p99": percentiles(visible),
            "bulk_faces_per_s": round(rate),
            "bulk_cpu_us_a_face": round(bulk_busy * 1e6, 1),
            "cold_load_s": round(loading, 2),
            "cold_load_cpu_s": round(busy, 2),
        }
    )
    times = " | ".join(percentiles(each) for each in (written, bare, visible))
    print(f"| {title:12} | {times} | {rate:,.0f} | {loading:.2f} ({busy:.2f}) |")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--appendfsync", nargs="+", default=["everysec", "always"])
    parser.add_argument("--redis")
    chosen = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {chosen.faces:,} faces of {chosen.dimension} numbers"
    )
    what = ("register", "bare MULTI", "visible on 3")
    columns = ["appendfsync", *(f"{one}, p50 / p99 ms" for one in what), "bulk, faces/s", "cold load, s (CPU)"]
    print(f"| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}")
    if chosen.redis:
        await measure(chosen.redis, "as it is", chosen.faces, chosen.dimension)
        return
    for way in chosen.appendfsync:
        with tempfile.TemporaryDirectory(prefix="convoy-redis-") as folder:
            server = RedisServer(Path(folder), "--appendfsync", way)
            server.start()
            await measure(server.url, way, chosen.faces, chosen.dimension)
            server.stop()
    write_result("recognition_store", " ".join(["python -m benchmarks.recognition_store", *sys.argv[1:]]), ROWS)


if __name__ == "__main__":
    asyncio.run(main())
