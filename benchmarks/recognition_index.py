"""Measures only the search: latency, throughput and agreement of recognition's index with brute force.

    python -m benchmarks.recognition_index 1000 10000 100000 1000000 [--dimension 512] [--queries 400] [--callers 8]

    python -m benchmarks.recognition_index --model exported_models/face-embedder-small/1

Galleries are synthetic. Every probe has a mate in the gallery at a known cosine, spread evenly from 0.35 to 0.75, and
brute force in float32 is the reference. With --model, galleries are real: the model's embeddings of all faces of
CONVOY_DATA (LFW and CelebA, including training faces, since this measures searches and not the model). The probe is
then one photo of each person who has several. Prints a table and writes benchmarks/results/recognition_index.json (with
--model recognition_index_real.json). Latencies depend on the machine and its load; CPU is the time of all threads for
each probe.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import faiss
import numpy as np
from convoy.core.machine import available_cores
from convoy.recognition.search.index import Index

from benchmarks.conditions import write_result

LOWEST, HIGHEST = 0.35, 0.75
ROWS: list[dict[str, object]] = []


def unit(rows: np.ndarray) -> np.ndarray:
    divided: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return divided


def people(rng: np.random.Generator, count: int, dimension: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, count, 20_000):
        size = min(20_000, count - start)
        yield start, unit(rng.standard_normal((size, dimension), np.float32))


def probes_of(rng: np.random.Generator, mates: np.ndarray) -> np.ndarray:
    """Make a probe for each mate, at cosines from LOWEST to HIGHEST."""
    cosines = np.linspace(LOWEST, HIGHEST, len(mates), dtype=np.float32)[:, None]
    noise = rng.standard_normal(mates.shape, np.float32)
    noise = unit(noise - (noise * mates).sum(axis=1, keepdims=True) * mates)
    probes: np.ndarray = (cosines * mates + np.sqrt(1 - cosines**2) * noise).astype(np.float32)
    return probes


def measure(index: Index, probes: np.ndarray, exact: bool, callers: int) -> tuple[list[str], list[float], float]:
    found, times = [], []
    worked = time.process_time()
    for probe in probes:
        started = time.perf_counter()
        hits = index.search(probe, 5, exact=exact)
        times.append(time.perf_counter() - started)
        found.append(hits[0].person_id)
    busy = (time.process_time() - worked) / len(probes)
    with ThreadPoolExecutor(callers, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        started = time.perf_counter()
        list(pool.map(lambda probe: index.search(probe, 5, exact=exact), np.tile(probes, (2, 1))))
        rate = 2 * len(probes) / (time.perf_counter() - started)
    return found, [*np.percentile(times, [50, 99]).tolist(), busy], rate


def report(index: Index, probes: np.ndarray, judged: list[str], callers: int, filled_s: float) -> None:
    # The reference's BLAS threads spin for a while before they sleep.
    time.sleep(0.5)
    for exact in (False, True):
        found, (p50, p99, busy), rate = measure(index, probes, exact, callers)
        agreed = float(np.mean([name == wanted for name, wanted in zip(found, judged, strict=True)]))
        way = "certified" if exact else "default"
        numbers = {
            "p50_ms": p50 * 1e3,
            "p99_ms": p99 * 1e3,
            "cpu_ms": busy * 1e3,
            "queries_per_s": rate,
            "agreed": agreed,
        }
        ROWS.append({"faces": len(index), "way": way, **{name: round(n, 4) for name, n in numbers.items()}})
        print(
            f"| {len(index):>9,} | {way:9} | {p50 * 1e3:8.2f} | {p99 * 1e3:8.2f} | {busy * 1e3:7.2f} | {rate:9.0f} "
            f"| {agreed:8.2%} | {index.nbytes / 2**20:7.0f} | {filled_s:6.1f} |",
            flush=True,
        )


def run(count: int, dimension: int, queries: int, callers: int) -> None:
    rng = np.random.default_rng(count)
    index, best = Index(dimension, available_cores()), np.full(queries, -2, np.float32)
    mate_rows = np.sort(rng.choice(count, queries, replace=count < queries))
    mates = np.empty((queries, dimension), np.float32)
    started = time.perf_counter()
    for start, rows in people(np.random.default_rng(count + 1), count, dimension):
        index.add_many([(f"p{start + i}", "f") for i in range(len(rows))], rows)
        here = (mate_rows >= start) & (mate_rows < start + len(rows))
        mates[here] = rows[mate_rows[here] - start]
    filled = time.perf_counter() - started
    probes, judged = probes_of(rng, mates), np.empty(queries, np.int64)
    for start, rows in people(np.random.default_rng(count + 1), count, dimension):
        similarities = probes @ rows.T
        top = similarities.argmax(axis=1)
        reached = similarities[np.arange(queries), top]
        judged[reached > best], best = top[reached > best] + start, np.maximum(best, reached)
    report(index, probes, [f"p{row}" for row in judged], callers, filled)


def run_real(model: Path, queries: int, callers: int) -> None:
    # Reads the data with the training package, which the other galleries do not need.
    from convoy_training.data import identities
    from convoy_training.protocols.subject import open_embedder
    from convoy_training.tasks.face_embedding import embed

    predict, vectors, labels = open_embedder(model), [], []
    splits: tuple[Literal["train", "validation"], ...] = ("train", "validation")
    for split in splits:
        faces = identities.load_faces(tuple(identities.ARCHIVES), split)
        vectors.append(unit(embed(predict, faces.crops)).astype(np.float32))
        labels += [faces.people[label] for label in faces.labels]
    everything, owners = np.concatenate(vectors), np.array(labels)
    _, first, counts = np.unique(owners, return_index=True, return_counts=True)
    chosen = np.random.default_rng(0).permutation(first[counts > 1])[:queries]
    kept = np.setdiff1d(np.arange(len(everything)), chosen)
    index = Index(everything.shape[1], available_cores())
    started = time.perf_counter()
    index.add_many([(str(owners[i]), str(i)) for i in kept], everything[kept])
    filled = time.perf_counter() - started
    similarities = everything[chosen] @ everything[kept].T
    judged = [str(owner) for owner in owners[kept[similarities.argmax(axis=1)]]]
    report(index, everything[chosen], judged, callers, filled)
    mates = np.where(owners[chosen][:, None] == owners[kept], similarities, -1).max(axis=1)
    print(f"{len(chosen)} probes of real faces; {np.mean(mates >= LOWEST):.1%} have a mate of cosine {LOWEST} or more")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--callers", type=int, default=8)
    chosen = parser.parse_args()
    faiss.omp_set_num_threads(1)
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {chosen.dimension} numbers, {chosen.callers} callers"
    )
    print("|     faces | way       |  p50, ms |  p99, ms | CPU, ms | queries/s |   agreed |     MiB | add, s |")
    print("|----------:|-----------|---------:|---------:|--------:|----------:|---------:|--------:|-------:|")
    for size in chosen.sizes:
        run(size, chosen.dimension, chosen.queries, chosen.callers)
    if chosen.model:
        run_real(chosen.model, chosen.queries, chosen.callers)
    name = "recognition_index_real" if chosen.model else "recognition_index"
    write_result(name, " ".join(["python -m benchmarks.recognition_index", *sys.argv[1:]]), ROWS)


if __name__ == "__main__":
    main()
