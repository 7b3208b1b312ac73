"""Measures galleries in vector sets: how often they find the mate, how fast, their size, and the time to fill them.

    python -m benchmarks.recognition_vector_sets [--faces 5000] [--dimension 512] [--shards 1 4] [--redis URL]

Starts a Redis 8 in Docker, or uses the one at --redis and deletes its gallery `benchmark`. Every probe has a mate at a
known cosine, spread evenly from 0.35 to 0.75; the exact index in memory is the reference. Random directions are the
hardest case for a graph, since no two are near each other. Prints a table; times depend on the machine and its load.
"""

import argparse
import asyncio
import os
import sys
import time

import numpy as np
from convoy.recognition.domain.caller import Call, begin_call
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person, VectorSets
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.search.index import Index
from convoy.recognition.store.base import Idempotency, PersonChange, Write
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.store.vector_sets import VectorSetStore
from convoy.testing.redis_servers import Redis8

from benchmarks.conditions import write_result
from benchmarks.recognition_index import probes_of, unit

PROBES = 100
PAGE = 500
ROWS: list[dict[str, object]] = []


def write_of(number: int, vector: np.ndarray) -> Write:
    person = Person(f"p{number}", faces=(Face("f", 0.9, 1),))
    change = PersonChange(person.person_id, None, person, {"f": Plain().encode(person.person_id, "f", vector)})
    return Write([(change, Note("Register", 1, person.person_id))])


async def measure(url: str, faces: int, dimension: int, shards: int, quantization: str) -> None:
    store = RedisStore(url)
    sets = VectorSetStore(store)
    followers = Followers(store, lambda gallery: Plain(), sets)
    where = VectorSets("00000000", shards, quantization, 500)
    gallery = Gallery("benchmark", Model("m", "1", "00" * 32, dimension), vector_sets=where)
    await store.create_gallery(gallery, Note("CreateGallery", 1), Idempotency())
    gallery = await store.get_gallery("benchmark")
    rng = np.random.default_rng(0)
    vectors = unit(rng.standard_normal((faces, dimension), np.float32))
    judge = Index(dimension)
    judge.add_many([(f"p{i}", "f") for i in range(faces)], vectors)
    for start in range(0, faces, PAGE):
        await store.change_people(gallery, [write_of(i, vectors[i]) for i in range(start, min(start + PAGE, faces))])
    begin_call(Call(deadline=time.monotonic() + 24 * 3600))
    started = time.perf_counter()
    view = await followers.view("benchmark", (await store.get_head("benchmark")).version)
    rate = faces / (time.perf_counter() - started)
    probes = probes_of(rng, vectors[rng.choice(faces, PROBES)])
    expected = [judge.search(probe, 5, exact=True) for probe in probes]
    _, size = await view.measure()
    for exact in (False, True) if quantization == "NOQUANT" else (False,):
        times, found = [], []
        for probe in probes:
            started = time.perf_counter()
            found.append(await view.search(probe, 5, [], exact))
            times.append(time.perf_counter() - started)
        mates = np.mean([hits[:1] == wanted[:1] for hits, wanted in zip(found, expected, strict=True)])
        whole = np.mean([hits == wanted for hits, wanted in zip(found, expected, strict=True)])
        p50, p99 = np.percentile(times, [50, 99]) * 1e3
        way = "exact" if exact else "graph"
        numbers = {"mates_found": mates, "five_best_equal": whole, "p50_ms": p50, "p99_ms": p99, "faces_per_s_in": rate}
        kept = {name: round(float(number), 3) for name, number in numbers.items()}
        row = {"faces": faces, "shards": shards, "numbers": quantization, "search": way}
        ROWS.append(row | kept | {"bytes_a_face": round(size / faces)})
        print(
            f"| {faces:>7,} | {shards} | {quantization:7} | {way} | {mates:.1%} | {whole:.1%} "
            f"| {p50:.2f} / {p99:.2f} | {rate:,.0f} | {size / faces:,.0f} |",
            flush=True,
        )
    await followers.close()
    await sets.drop(await store.delete_gallery("benchmark", Note("DeleteGallery", 1)))
    await store.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=5_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--redis")
    chosen = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {chosen.dimension} numbers")
    print(
        "| faces | shards | numbers | search | mates found | five best equal | p50 / p99, ms | faces/s in | B a face |"
    )
    print(
        "|------:|-------:|---------|--------|------------:|----------------:|--------------:|-----------:|---------:|"
    )
    server = None if chosen.redis else Redis8()
    try:
        for shards in chosen.shards:
            for quantization in ("NOQUANT", "Q8"):
                url = server.url if server else chosen.redis
                await measure(url, chosen.faces, chosen.dimension, shards, quantization)
    finally:
        if server:
            server.stop()
    write_result(
        "recognition_vector_sets", " ".join(["python -m benchmarks.recognition_vector_sets", *sys.argv[1:]]), ROWS
    )


if __name__ == "__main__":
    asyncio.run(main())
