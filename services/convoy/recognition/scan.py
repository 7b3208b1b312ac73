"""Passes over all blocks that choose the few faces worth an exact comparison.

One pass serves several queries; a long one is cut into parts for all threads. Each stage gives bounds between which a
similarity lies; what may reach the worst of the answer is kept.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from statistics import NormalDist

import faiss
import numpy as np

from convoy.recognition.blocks import CAPACITY, PAIRS, STEP, Block, Near, Probes, Rows, Scratch, Vector

Owner = tuple[str, str]
# Rows of a block, and the slot of the block's first.
Piece = tuple[Block, int, slice]
Look = Callable[[Scratch, Block, slice], list[Near]]
# Up to so many faces, which stay in a core's cache, float32 products take no longer than those of byte codes.
COMPARED_UP_TO = 4_000
SCREENED_FROM = 20_000
CERTIFIED_UP_TO = 50_000
SEEN_FROM = 0.35
SEEN_BUT = 0.004
# Rows of byte codes that stay in a core's cache while several probes are compared with them.
SHARED_BYTES = 16_384
# Pairs of a probe and a row for each thread: with fewer, waking it takes longer than what it saves.
SIGNS_WORTH_A_THREAD, BYTES_WORTH_A_THREAD = 131_072, 32_768


@dataclass(slots=True)
class Query:
    """Which `top_k` people are nearest to a vector; `floor`: what each of them reaches at least, as far as is known."""

    vector: Vector
    top_k: int
    exact: bool
    floor: float = -math.inf


class Scanner:
    """Looks, for one caller at a time, through blocks that its owner fills; `owners`: whose face each slot holds, None
    for nobody's."""

    def __init__(self, dimension: int, threads: int) -> None:
        self.blocks: list[Block] = []
        self.owners: list[Owner | None] = []
        # Float32 sums of products of unit vectors are off by less than this in any order (Higham, gamma_n), twice.
        self._rounding = dimension * 2.0**-22
        self._reach = _reach(dimension)
        self._scratches = [Scratch() for _ in range(threads)]

    def candidates(self, queries: Sequence[Query]) -> list[Rows]:
        """For each query the slots that hold the best people; see Index for what is certain of them."""
        count = len(self.owners)
        if not count:
            return [np.empty(0, np.int64)] * len(queries)
        if count <= COMPARED_UP_TO:
            return [self._compare(query, count) for query in queries]
        if count <= SCREENED_FROM:
            return self._prove(queries, count)
        found = self._screen(queries, count)
        if unsure := [i for i, query in enumerate(queries) if self._is_unsure(query, count)]:
            for i, slots in zip(unsure, self._prove([queries[i] for i in unsure], count), strict=True):
                found[i] = slots
        return found

    def _is_unsure(self, query: Query, count: int) -> bool:
        return query.exact or count <= CERTIFIED_UP_TO or query.floor == -math.inf

    def _compare(self, query: Query, count: int) -> Rows:
        """Compare float32 itself."""
        products = self.blocks[0].products(query.vector, count)
        return np.flatnonzero(products >= self._worst(None, products, query.top_k) - 2 * self._rounding)

    def _screen(self, queries: Sequence[Query], count: int) -> list[Rows]:
        """Compare signs, and bytes of the few that are near: enough for most queries, a floor for the others."""
        probes = _probes(queries)

        def look(scratch: Scratch, block: Block, rows: slice) -> list[Near]:
            return [block.near(probes, scratch, rows, self._reach)]

        return self._passed(look, queries, count, PAIRS // len(queries), SIGNS_WORTH_A_THREAD)

    def _prove(self, queries: Sequence[Query], count: int) -> list[Rows]:
        """Compare byte codes: what the error bound does not rule out holds the answer for certain."""
        probes = _probes(queries)

        def look(_: Scratch, block: Block, rows: slice) -> list[Near]:
            return [block.reaching(probes, number, rows, query.floor) for number, query in enumerate(queries)]

        step = CAPACITY if len(queries) == 1 else SHARED_BYTES
        return self._passed(look, queries, count, step, BYTES_WORTH_A_THREAD)

    def _passed(self, look: Look, queries: Sequence[Query], count: int, step: int, worth_a_thread: int) -> list[Rows]:
        """Slots that may hold the best people for each query, found by a look at all rows; their floors are raised."""
        threads = max(1, min(len(self._scratches), len(queries) * count // worth_a_thread))
        share = -(-count // (threads * STEP)) * STEP
        pieces = self._pieces(count, min(step // STEP * STEP, share))
        size = -(-len(pieces) // threads)
        parts = [pieces[i : i + size] for i in range(0, len(pieces), size)]
        work = [partial(_look_through, look, *place) for place in zip(self._scratches, parts, strict=False)]
        helping = [_pool(len(self._scratches) - 1).submit(one) for one in work[1:]]
        found = work[0]()
        for future in helping:
            found += future.result()
        numbers, slots, estimates, off = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
        low, high = estimates - off, estimates + off
        return [
            self._kept(query, *((slots, low, high) if len(queries) == 1 else _of(number, numbers, slots, low, high)))
            for number, query in enumerate(queries)
        ]

    def _kept(self, query: Query, slots: Rows, low: Vector, high: Vector) -> Rows:
        query.floor = max(query.floor, self._worst(slots, low, query.top_k) - 2 * self._rounding)
        return slots[high >= query.floor]

    def _pieces(self, count: int, step: int) -> list[Piece]:
        """Rows in use, `step` at a time, a multiple of STEP."""
        step = min(step, CAPACITY)
        return [
            (block, number * CAPACITY, slice(start, min(start + step, count - number * CAPACITY, CAPACITY)))
            for number, block in enumerate(self.blocks)
            for start in range(0, min(CAPACITY, count - number * CAPACITY), step)
        ]

    def _worst(self, slots: Rows | None, scores: Vector, top_k: int) -> float:
        """The score of the `top_k`-th different person, -inf for fewer people; without `slots` all are meant."""
        wanted = 2 * top_k + 8
        while wanted < scores.size:
            some = np.argpartition(scores, -wanted)[-wanted:]
            worst = self._kth_person(some if slots is None else slots[some], scores[some], top_k)
            if worst > -math.inf:
                return worst
            wanted *= 4
        return self._kth_person(np.arange(scores.size) if slots is None else slots, scores, top_k)

    def _kth_person(self, slots: Rows, scores: Vector, top_k: int) -> float:
        seen: set[str] = set()
        for i in np.argsort(scores)[::-1].tolist():
            if (owner := self.owners[slots[i]]) is not None:
                seen.add(owner[0])
                if len(seen) == top_k:
                    return float(scores[i])
        return -math.inf


def _probes(queries: Sequence[Query]) -> Probes:
    return Probes(queries[0].vector[None] if len(queries) == 1 else np.stack([query.vector for query in queries]))


def _look_through(look: Look, scratch: Scratch, part: list[Piece]) -> list[Near]:
    return [
        (numbers, near + first, estimates, off)
        for block, first, rows in part
        for numbers, near, estimates, off in look(scratch, block, rows)
    ]


def _of(number: int, numbers: Rows, slots: Rows, low: Vector, high: Vector) -> tuple[Rows, Vector, Vector]:
    its = np.flatnonzero(numbers == number)
    return slots[its], low[its], high[its]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Helpers of whoever leads. OpenMP's own threads inside of them would only get in each other's way."""
    return ThreadPoolExecutor(max(1, threads), "scan", faiss.omp_set_num_threads, (1,))


def _reach(dimension: int) -> int:
    """In how many signs a face of cosine SEEN_FROM differs at most, but in SEEN_BUT of the cases."""
    share = math.acos(SEEN_FROM) / math.pi
    spread = math.sqrt(dimension * share * (1 - share))
    return math.ceil(dimension * share + NormalDist().inv_cdf(1 - SEEN_BUT) * spread)
