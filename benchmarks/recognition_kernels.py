"""Measures kernels for a search: the time of one core for each million rows of 512 numbers and each probe.

    python -m benchmarks.recognition_kernels [--rows 200000]

Decision 9 says which ones Convoy uses and why. Prints a table and writes benchmarks/results/recognition_kernels.json.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import faiss
import numkong
import numpy as np

from benchmarks.conditions import write_result

DIMENSION, REPEATS = 512, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((rows, DIMENSION), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    signs, codes = np.packbits(vectors > 0, axis=1), np.rint(vectors * 500).clip(-127, 127).astype(np.int8)
    differing, products = np.empty((8, rows), np.int32), np.empty(rows, np.float32)
    flat = faiss.IndexBinaryFlat(DIMENSION)
    flat.add(signs)

    found: dict[str, float] = {}

    def hammings(queries: int) -> None:
        pointers = map(faiss.swig_ptr, (signs[:queries], signs))
        faiss.hammings(*pointers, queries, rows, signs.shape[1], faiss.swig_ptr(differing))  # type: ignore[attr-defined]

    def show(name: str, work: Callable[[], object], queries: int = 1, rows: int = rows) -> None:
        times = []
        for _ in range(REPEATS):
            started = time.thread_time()
            work()
            times.append(time.thread_time() - started)
        found[name] = round(float(np.median(times)) / queries / rows * 1e9, 1)
        print(f"| {name} | {found[name]} |", flush=True)

    print("| kernel | ms |\n|---|---:|")
    show("FAISS hammings", lambda: hammings(1))
    show("FAISS hammings, eight queries in one call", lambda: hammings(8), 8)
    show("choosing the rows that are near", lambda: np.flatnonzero(differing[0] <= 230))
    show("FAISS IndexBinaryFlat, 200 nearest", lambda: flat.search(signs[:1], 200))
    for kind in (faiss.IndexRaBitQFastScan, faiss.IndexRaBitQ):
        index = kind(DIMENSION, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors[:5000])
        index.add(vectors)
        index.qb = 4
        show(f"FAISS {kind.__name__}, 4 bits, 100 nearest", partial(index.search, vectors[:1], 100))
    show("bytes, NumKong", lambda: numkong.cdist(codes[:1], codes, "dot", out_dtype="float32"))
    packed = numkong.dots_pack(codes[:8], dtype="int8")
    show("bytes, NumKong, eight queries packed", lambda: numkong.dots_packed(codes, packed), 8)
    small = codes[:10_000]
    show(
        "bytes, NumKong, 10,000 rows", lambda: numkong.cdist(small[:1], small, "dot", out_dtype="float32"), rows=10_000
    )
    copies = [numkong.dots_pack(small[i : i + 1000]) for i in range(0, 10_000, 1000)]
    show("bytes, NumKong, 10,000 rows packed", lambda: [numkong.dots_packed(codes[:1], p) for p in copies], rows=10_000)
    pointers = list(map(faiss.swig_ptr, (products, vectors[0], vectors)))
    products_of = faiss.fvec_inner_products_ny  # type: ignore[attr-defined]
    show("float32, FAISS", lambda: products_of(*pointers, DIMENSION, rows))
    write_result("recognition_kernels", f"python -m benchmarks.recognition_kernels --rows {rows}", found)


if __name__ == "__main__":
    main()
