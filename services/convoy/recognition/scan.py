"""Passes over all blocks that choose the few faces worth an exact comparison.

One pass serves all queries that wait for one: memory is slower than arithmetic, and codes that were brought into the
cache for one probe are there for the next. Whoever comes while no pass runs leads one, for itself and for who came
meanwhile; the others wait for it. A pass is cut into parts, one for each thread.
"""

import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from statistics import NormalDist

import faiss
import numpy as np

from convoy.recognition.blocks import CAPACITY, Block, Probe, Rows, Vector

Owner = tuple[str, str]
Part = list[tuple[Block, int, slice]]
Look = Callable[[Block, slice, int], "tuple[Rows, Vector, Vector]"]
# So many queries share a pass at most, so that the last of a crowd does not wait for all of it.
TOGETHER = 16
# Up to so many faces, which stay in a core's cache, float32 products take no longer than those of byte codes.
COMPARED_UP_TO = 4_000
SCREENED_FROM = 20_000
CERTIFIED_UP_TO = 50_000
SEEN_FROM = 0.35
SEEN_BUT = 0.002
# Rows of codes that stay in a core's cache while several probes are compared with them; and how many times as many are
# worth a thread: with fewer, waking it takes longer than what it saves.
SHARED_SIGNS, SHARED_BYTES, WORTH_A_THREAD = 16_384, 4_096, 8


@dataclass(slots=True)
class Query:
    """A probe on its way; `found`: the slots that hold the best `top_k` people."""

    probe: Probe
    top_k: int
    exact: bool
    found: Rows | None = None
    near: "Estimates | None" = None
    floor: float = -math.inf


@dataclass(slots=True)
class Estimates:
    """Slots with estimates of their similarities, and what each is off by at most; a part of each thread."""

    parts: list[tuple[Rows, Vector, Vector]] = field(default_factory=list)

    def joined(self) -> tuple[Rows, Vector, Vector]:
        """All parts as one."""
        if len(self.parts) == 1:
            return self.parts[0]
        slots, estimates, off = zip(*self.parts, strict=True)
        return np.concatenate(slots), np.concatenate(estimates), np.concatenate(off)


class Scanner:
    """Looks through blocks that its owner fills; `owners`: whose face each slot holds, None for nobody's."""

    def __init__(self, dimension: int, threads: int) -> None:
        self.blocks: list[Block] = []
        self.owners: list[Owner | None] = []
        # Float32 sums of products of unit vectors are off by less than this in any order (Higham, gamma_n), twice.
        self._rounding = dimension * 2.0**-22
        self._reach = _reach(dimension)
        self._threads = threads
        self._waiting: deque[Query] = deque()
        self._leading = threading.Lock()

    def candidates(self, query: Query) -> Rows:
        """The slots that hold the best people; see Index for what is certain of them."""
        self._waiting.append(query)
        while query.found is None:
            with self._leading:
                if query.found is None:
                    self._lead()
        return query.found

    def _lead(self) -> None:
        queries = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        try:
            self._answer(queries)
        except BaseException:
            self._waiting.extend(query for query in queries if query.found is None)
            raise

    def _answer(self, queries: list[Query]) -> None:
        count = len(self.owners)
        if not count:
            for query in queries:
                query.found = np.empty(0, np.int64)
            return
        if count <= COMPARED_UP_TO:
            for query in queries:
                self._compare(query, count)
            return
        if count > SCREENED_FROM:
            self._screen(queries, count)
        proven = [query for query in queries if query.found is None]
        if proven:
            self._prove(proven, count)

    def _compare(self, query: Query, count: int) -> None:
        """Compare float32 itself: what its rounding does not rule out holds the answer for certain."""
        found = self.blocks[0].products(query.probe, count)
        worst = self._worst(np.arange(count), found, query.top_k)
        query.found = np.flatnonzero(found >= worst - 2 * self._rounding)

    def _screen(self, queries: list[Query], count: int) -> None:
        """Compare signs: enough for most queries, and for the others a floor that the answer does not go below."""
        probes = [query.probe for query in queries]

        def look(block: Block, rows: slice, number: int) -> tuple[Rows, Vector, Vector]:
            few = np.flatnonzero(block.differing_signs(probes[number], rows) <= self._reach) + rows.start
            return few, *block.estimates(probes[number], few)

        for query, near in zip(queries, self._passed(look, len(queries), count, SHARED_SIGNS), strict=True):
            slots, estimates, off = near.joined()
            worst = self._worst(slots, estimates - off, query.top_k)
            query.floor = worst - 2 * self._rounding
            if worst > -math.inf and not query.exact and count > CERTIFIED_UP_TO:
                query.found = slots[estimates + off >= query.floor]

    def _prove(self, queries: list[Query], count: int) -> None:
        """Compare byte codes: what the error bound does not rule out holds the answer for certain."""

        def look(block: Block, rows: slice, number: int) -> tuple[Rows, Vector, Vector]:
            estimates, off = block.estimates(queries[number].probe, rows)
            few = np.flatnonzero(estimates + off >= queries[number].floor)
            return few + rows.start, estimates[few], off[few]

        for query, possible in zip(queries, self._passed(look, len(queries), count, SHARED_BYTES), strict=True):
            slots, estimates, off = possible.joined()
            worst = self._worst(slots, estimates - off, query.top_k)
            query.found = slots[estimates + off >= worst - 2 * self._rounding]

    def _passed(self, look: Look, queries: int, count: int, shared: int) -> list[Estimates]:
        """What `look` finds in all rows for each query, in as many threads as are worth it."""
        threads = max(1, min(self._threads, count // (WORTH_A_THREAD * shared)))
        step = min(CAPACITY if queries == 1 else shared, -(-count // threads))
        pieces = self._pieces(count, step)
        size = -(-len(pieces) // threads)
        parts = [pieces[i : i + size] for i in range(0, len(pieces), size)]
        futures = [_pool(self._threads - 1).submit(_look_through, part, look, queries) for part in parts[1:]]
        looked = [_look_through(parts[0], look, queries)]
        looked += [future.result() for future in futures]
        return [Estimates([part for one in looked for part in one[number].parts]) for number in range(queries)]

    def _pieces(self, count: int, step: int) -> Part:
        """Rows in use, `step` at a time, with the slot of each block's first."""
        return [
            (block, number * CAPACITY, slice(start, min(start + step, count - number * CAPACITY, CAPACITY)))
            for number, block in enumerate(self.blocks)
            for start in range(0, min(CAPACITY, count - number * CAPACITY), step)
        ]

    def _worst(self, slots: Rows, scores: Vector, top_k: int) -> float:
        """The score of the `top_k`-th different person, -inf for fewer people."""
        wanted = 4 * top_k + 16
        while True:
            some = np.argpartition(scores, -wanted)[-wanted:] if wanted < scores.size else np.arange(scores.size)
            worst = self._kth_person(slots[some], scores[some], top_k)
            if worst > -math.inf or wanted >= scores.size:
                return worst
            wanted *= 4

    def _kth_person(self, slots: Rows, scores: Vector, top_k: int) -> float:
        seen: set[str] = set()
        for i in np.argsort(-scores).tolist():
            if (owner := self.owners[slots[i]]) is not None:
                seen.add(owner[0])
                if len(seen) == top_k:
                    return float(scores[i])
        return -math.inf


def _look_through(part: Part, look: Look, queries: int) -> list[Estimates]:
    """One thread's part: each piece is shown to every query while it is in the cache."""
    found = [Estimates() for _ in range(queries)]
    for block, first, rows in part:
        for number in range(queries):
            few, estimates, off = look(block, rows, number)
            found[number].parts.append((few + first, estimates, off))
    return found


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Helpers of whoever leads a pass. OpenMP's own threads inside of them would only get in each other's way."""
    return ThreadPoolExecutor(max(1, threads), "scan", faiss.omp_set_num_threads, (1,))


def _reach(dimension: int) -> int:
    """In how many signs a face of cosine SEEN_FROM differs at most, but in SEEN_BUT of the cases."""
    share = math.acos(SEEN_FROM) / math.pi
    spread = math.sqrt(dimension * share * (1 - share))
    return math.ceil(dimension * share + NormalDist().inv_cdf(1 - SEEN_BUT) * spread)
