"""Passes over all blocks that choose the few faces worth an exact comparison.

One pass serves several probes; a long one is cut into parts for all threads.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from statistics import NormalDist
from typing import NamedTuple

import faiss
import numpy as np

from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.blocks import CAPACITY, PAIRS, STEP, Block, Probes, Rows, Scratch

# Up to this many faces float32 takes no longer than bytes, and leaves next to nothing to compare again.
COMPARED_UP_TO = 2_000
# Up to this many faces are compared in packed copies.
PACKED_UP_TO = CAPACITY
SEEN_FROM = 0.35
SEEN_BUT = 0.004
# Fewer than one in 10^14 random faces is further from its estimate than this many standard deviations.
SPREADS = 8
# Rows of byte codes that stay in a core's cache while several probes are compared with them.
SHARED_BYTES = 16_384
# Pairs of a probe and a row for each thread: with fewer, waking the thread takes longer than it saves.
SIGNS_WORTH_A_THREAD, BYTES_WORTH_A_THREAD = 131_072, 32_768
# It is much faster to take the highest number of each group and to order those than to order all numbers.
GROUP = 16


class Candidates(NamedTuple):
    """Slots, estimates of their similarities, how far these are off at most, and a bound on all other similarities."""

    slots: Rows
    estimates: Vector
    off: float
    others: float


# Rows of a block, and the slot of the block's first.
Piece = tuple[Block, int, slice]
# Of each probe what was found in a piece, its rows in place of slots.
Look = Callable[[Scratch, Block, slice], list[Candidates]]


class Scanner:
    """Looks through blocks that its owner fills, for one caller at a time."""

    def __init__(self, dimension: int, threads: int) -> None:
        self.blocks: list[Block] = []
        # Float32 sums of products of unit vectors are off by less than this in any order (Higham, gamma_n), twice.
        self._rounding = dimension * 2.0**-22
        self._reach = _reach(dimension)
        self._scratches = [Scratch() for _ in range(threads)]

    def screen(self, vectors: Sequence[Vector], count: int) -> list[Candidates]:
        """Of the first `count` slots those that differ from each vector in few signs, bounded by bytes.

        vectors: [dimension] each. What is said of the others is only likely; see Index.
        """
        probes = Probes(vectors)

        def look(scratch: Scratch, block: Block, rows: slice) -> list[Candidates]:
            near = block.near(probes, scratch, rows, self._reach)
            return [self._likely(block, probes, number, *its) for number, its in enumerate(near)]

        return self._passed(look, len(probes), count, PAIRS // len(probes), SIGNS_WORTH_A_THREAD)

    def prove(self, vectors: Sequence[Vector], count: int, wanted: int) -> list[Candidates]:
        """Of the first `count` slots those with the highest estimates for each vector, `wanted` or some more.

        vectors: [dimension] each. What is said of the others is certain.
        """
        if count <= COMPARED_UP_TO:
            return [self._compare(vector, count, min(wanted, count)) for vector in vectors]
        probes = Probes(vectors)

        def look(_: Scratch, block: Block, rows: slice) -> list[Candidates]:
            products = block.products(probes, rows, packed=count <= PACKED_UP_TO)
            return [self._best(block, probes, number, rows, its, wanted) for number, its in enumerate(products)]

        step = CAPACITY if len(probes) == 1 else SHARED_BYTES
        return self._passed(look, len(probes), count, step, BYTES_WORTH_A_THREAD)

    def _compare(self, vector: Vector, count: int, wanted: int) -> Candidates:
        """`prove` for one probe, by float32."""
        estimates, off = self.blocks[0].compared(vector, count), self._rounding
        highest = estimates.argpartition(count - wanted)[count - wanted :]
        others = float(estimates[highest[0]]) + off if wanted < count else -math.inf
        return Candidates(highest, estimates[highest], off, others)

    def _best(
        self, block: Block, probes: Probes, number: int, rows: slice, products: Vector, wanted: int
    ) -> Candidates:
        """`prove` for one probe and piece."""
        least = _reached_by(products, wanted)
        (few,) = np.nonzero(products >= least)
        scale, off = probes.scales[number], block.off(probes, number) + self._rounding
        return Candidates(few + rows.start, products[few] * scale, off, least * scale + off)

    def _likely(self, block: Block, probes: Probes, number: int, rows: Rows, products: Vector) -> Candidates:
        """`screen` for one probe and piece."""
        off = SPREADS * block.spread(probes, number) + self._rounding
        return Candidates(rows, products * probes.scales[number], off, -1.0)

    def _passed(self, look: Look, probes: int, count: int, step: int, worth_a_thread: int) -> list[Candidates]:
        """What a look at all slots finds for each probe."""
        threads = min(len(self._scratches), probes * count // worth_a_thread)
        if threads <= 1:
            found = _look_through(look, self._scratches[0], self._pieces(0, count, step))
        else:
            share = -(-count // (threads * STEP)) * STEP
            parts = [self._pieces(start, min(start + share, count), step) for start in range(0, count, share)]
            work = [partial(_look_through, look, *place) for place in zip(self._scratches, parts, strict=False)]
            helping = [_pool(len(self._scratches) - 1).submit(one) for one in work[1:]]
            found = work[0]()
            for future in helping:
                found += future.result()
        return found[0] if len(found) == 1 else [_joined(parts) for parts in zip(*found, strict=True)]

    def _pieces(self, start: int, end: int, step: int) -> list[Piece]:
        """The slots from start to end, in pieces of at most `step` that each lie in one block and begin at a STEP."""
        step, pieces = step // STEP * STEP, []
        while start < end:
            number, row = divmod(start, CAPACITY)
            rows = slice(row, min(row + min(step, end - start), CAPACITY))
            pieces.append((self.blocks[number], number * CAPACITY, rows))
            start += rows.stop - row
        return pieces


def _look_through(look: Look, scratch: Scratch, part: list[Piece]) -> list[list[Candidates]]:
    return [
        [found._replace(slots=found.slots + first) for found in look(scratch, block, rows)]
        for block, first, rows in part
    ]


def _joined(found: Sequence[Candidates]) -> Candidates:
    slots, estimates, off, others = zip(*found, strict=True)
    return Candidates(np.concatenate(slots), np.concatenate(estimates), max(off), max(others))


def _reached_by(numbers: Vector, wanted: int) -> float:
    """A bound that at least `wanted` of the numbers reach; -inf if there are hardly as many."""
    groups = numbers.size // GROUP
    if groups < wanted:
        return -math.inf
    highest = numbers[: groups * GROUP].reshape(GROUP, groups).max(axis=0)
    highest.partition(groups - wanted)
    return float(highest[groups - wanted])


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that help the one that leads. OpenMP's own threads inside them would only get in the way."""
    return ThreadPoolExecutor(max(1, threads), "scan", faiss.omp_set_num_threads, (1,))


def _reach(dimension: int) -> int:
    """The number of signs in which a face of similarity SEEN_FROM differs at most, except in SEEN_BUT of the cases."""
    share = math.acos(SEEN_FROM) / math.pi
    spread = math.sqrt(dimension * share * (1 - share))
    return math.ceil(dimension * share + NormalDist().inv_cdf(1 - SEEN_BUT) * spread)
