"""1:K search in memory: the people whose nearest face is most similar to a probe.

Two ways lead to the answer; both end by comparing the last candidates in float64:

- Certified: byte codes give every similarity with a bound on its error. The most similar faces are compared exactly,
  and the bound says that no other is better than the worst of the answer; where it does not, more are compared. The
  answer is that of brute force, always. Taken when asked for, and by itself for up to CERTIFIED_UP_TO faces; of a small
  gallery float32 products are computed at once, with the bound on their rounding.
- By signs: only faces that differ from the probe in few signs are compared. With random directions it misses a face of
  similarity SEEN_FROM in SEEN_BUT of the cases, and a more similar one far less often; what it finds is ranked exactly.

Both are in scan.py.

Faces lie in slots of fixed blocks, so that growing copies nothing. Inserts and deletes change one slot and never wait
for a search: a slot that was freed is used again only when no search that may have seen its old face is running.
Inserts and deletes belong to one thread (the event loop); searches run in any others.
"""

import math
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, reduce
from operator import xor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.blocks import CAPACITY, Block, Rows
from convoy.recognition.search.scan import Candidates, Scanner
from convoy.recognition.search.sharing import Shared

Owner = tuple[str, str]
# The negative of a similarity, person id and face id: of two the lesser one comes first.
Place = tuple[float, str, str]
# Rows that are compared in float64 at once; and how few are gathered faster one by one.
COMPARED, FEW = 4096, 32

CERTIFIED_UP_TO = 50_000


class Query(NamedTuple):
    """Which `top_k` people are nearest to a vector."""

    vector: Vector
    top_k: int
    exact: bool


class Hit(NamedTuple):
    """A person and the face that is nearest to the probe."""

    person_id: str
    face_id: str
    similarity: float


# Stands for an answer when there may be better ones.
_UNSURE: list[Hit] = []


class Index:
    """Unit vectors of `dimension` numbers, each the face of a person. A long search uses up to `threads` threads."""

    def __init__(self, dimension: int, threads: int = 1) -> None:
        self.dimension = dimension
        self.threads = threads
        self._scanner = Scanner(dimension, threads)
        self._shared = Shared(self._answer)
        self._blocks = self._scanner.blocks
        # Whose face each slot holds, None for nobody's.
        self._owners: list[Owner | None] = []
        self._slots: dict[str, dict[str, int]] = {}
        self._free: list[int] = []
        self._limbo: deque[tuple[int, int]] = deque()
        self._removals = 0
        self._running: dict[object, int] = {}
        self._size = 0
        self._checksum = 0

    def __len__(self) -> int:
        """Faces in it."""
        return self._size

    @property
    def nbytes(self) -> int:
        """Memory that the vectors and codes take."""
        return sum(block.packed_bytes for block in self._blocks) + len(self._owners) * (
            self._blocks[0].row_bytes if self._blocks else 0
        )

    def faces_of(self, person_id: str) -> list[str]:
        """Ids of a person's faces."""
        return list(self._slots.get(person_id, ()))

    def people(self) -> set[str]:
        """Ids of those who have a face in it."""
        return set(self._slots)

    def count_of(self, people: Iterable[str]) -> int:
        """Faces of these people."""
        return sum(len(self._slots.get(person_id, ())) for person_id in people)

    def vectors_of(self, person_id: str) -> Vector:
        """The vectors of a person's faces, [faces, dimension], in the order of faces_of."""
        return self._gather(np.fromiter(self._slots.get(person_id, {}).values(), np.int64))

    @property
    def checksum(self) -> str:
        """Sixteen hexadecimal digits that are equal for equal faces, in whatever order they came."""
        return f"{self._checksum:016x}"

    def add(self, person_id: str, face_id: str, vector: Vector) -> None:
        """Insert one face. A face that is there already stays as it is, since faces never change."""
        self.add_many([(person_id, face_id)], vector[None])

    def add_many(self, owners: Sequence[Owner], vectors: Vector) -> None:
        """Insert faces, vectors [n, dimension]. Faces that are there already stay as they are."""
        fresh = [i for i, (person_id, face_id) in enumerate(owners) if face_id not in self._slots.get(person_id, ())]
        if len(fresh) < len(owners):
            owners, vectors = [owners[i] for i in fresh], vectors[fresh]
        slots = self._room_for(len(owners))
        for number, here in _by_block(slots):
            self._blocks[number].write(slots[here] % CAPACITY, vectors[here])
        for owner, slot in zip(owners, slots.tolist(), strict=True):
            person_id, face_id = owner
            if person_id in self._slots:
                self._slots[person_id][face_id] = slot
            else:
                self._slots[person_id] = {face_id: slot}
            self._owners[slot] = owner
        self._checksum ^= reduce(xor, fingerprints(owners, vectors), 0)
        self._size += len(owners)

    def remove(self, person_id: str, face_ids: Iterable[str] | None = None) -> None:
        """Delete faces of a person, by default all; ids that are not there are passed over."""
        slots = self._slots.get(person_id, {})
        self._removals += 1
        for face_id in list(slots) if face_ids is None else face_ids:
            if (slot := slots.pop(face_id, None)) is not None:
                self._owners[slot] = None
                vector = self._blocks[slot // CAPACITY].vectors[slot % CAPACITY]
                self._checksum ^= fingerprints([(person_id, face_id)], vector[None])[0]
                self._limbo.append((self._removals, slot))
                self._size -= 1
        if not slots:
            self._slots.pop(person_id, None)
        self.reclaim()

    def reclaim(self) -> None:
        """Erase and free the slots of deleted faces that no running search can have seen."""
        oldest = min(list(self._running.values()), default=self._removals)
        while self._limbo and self._limbo[0][0] <= oldest:
            _, slot = self._limbo.popleft()
            self._blocks[slot // CAPACITY].erase(slot % CAPACITY)
            self._free.append(slot)

    def search(self, vector: Vector, top_k: int, among: Iterable[str] | None = None, exact: bool = False) -> list[Hit]:
        """The `top_k` most similar people, best first, each by the nearest face; ties by person id, then face id.

        vector: [dimension], unit length. among: search these people alone, by comparing each of their faces.
        exact: prove that nobody is nearer. Similarities are computed in float64 and rounded to float32.
        """
        ticket = object()
        self._running[ticket] = self._removals
        try:
            if among is not None:
                slots = self._slots_of(among)
                unknown = Candidates(slots, np.zeros(slots.size, np.float32), 1.0, -math.inf)
                return self._rank(Query(vector, top_k, True), unknown)
            return self._shared.ask(Query(np.ascontiguousarray(vector, np.float32), top_k, exact))
        finally:
            del self._running[ticket]

    def _answer(self, queries: Sequence[Query]) -> list[list[Hit]]:
        if not (count := len(self._owners)):
            return [[] for _ in queries]
        answers = [_UNSURE] * len(queries)
        if count > CERTIFIED_UP_TO and (screened := [i for i, query in enumerate(queries) if not query.exact]):
            found = self._scanner.screen([queries[i].vector for i in screened], count)
            for i, candidates in zip(screened, found, strict=True):
                answers[i] = self._rank(queries[i], candidates)
        wanted = 8 * max(query.top_k for query in queries)
        while unsure := [i for i, answer in enumerate(answers) if answer is _UNSURE]:
            found = self._scanner.prove([queries[i].vector for i in unsure], count, wanted)
            for i, candidates in zip(unsure, found, strict=True):
                answers[i] = self._rank(queries[i], candidates)
            # It was not enough when too many of the faces belong to too few people.
            wanted *= 4
        return answers

    def _room_for(self, count: int) -> Rows:
        """Slots for new faces: first those that were freed, then new ones at the end."""
        again = [self._free.pop() for _ in range(min(count, len(self._free)))]
        first, new = len(self._owners), count - len(again)
        while len(self._blocks) * CAPACITY < first + new:
            for block in self._blocks:
                block.unpack()  # several blocks are compared as they are
            self._blocks.append(Block(self.dimension))
        self._owners.extend([None] * new)
        return np.concatenate([np.array(again, np.int64), np.arange(first, first + new)])

    def _slots_of(self, people: Iterable[str]) -> Rows:
        slots = (slot for person_id in people for slot in list(self._slots.get(person_id, {}).values()))
        return np.fromiter(slots, np.int64)

    def _rank(self, query: Query, candidates: Candidates) -> list[Hit]:
        """The best of the candidates, or _UNSURE if others may be better."""
        slots, estimates, off, others = candidates
        exact, least = query.vector.astype(np.float64), -math.inf
        if slots.size > query.top_k:
            # The best if each face is of another person.
            ordered = estimates.copy()
            ordered.partition(slots.size - query.top_k)
            least = ordered[slots.size - query.top_k] - 2 * off
        (few,) = (estimates >= least).nonzero()
        hits, worst = self._best(exact, slots[few], query.top_k)
        if worst - off < least:
            (few,) = (estimates >= worst - off).nonzero()
            hits, worst = self._best(exact, slots[few], query.top_k)
        return _UNSURE if worst < others else hits

    def _compare(self, exact: np.ndarray, slots: Rows) -> Vector:
        """In float64, one row at a time, so that equal faces get equal similarities wherever they lie."""
        if slots.size > COMPARED:
            parts = range(0, slots.size, COMPARED)
            return np.concatenate([self._compare(exact, slots[start : start + COMPARED]) for start in parts])
        products = self._gather(slots, np.float64)
        products *= exact
        similarities: Vector = np.add.reduce(products, axis=1).astype(np.float32)
        return np.minimum(np.maximum(similarities, -1, out=similarities), 1, out=similarities)

    def _best(self, exact: np.ndarray, slots: Rows, top_k: int) -> tuple[list[Hit], float]:
        """The best people of these slots, and the similarity of the last of them, -inf for fewer than `top_k`."""
        similarities = self._compare(exact, slots)
        best: dict[str, Place] = {}
        last = -math.inf
        order = similarities.argsort()[::-1]
        for similarity, slot in zip(similarities[order].tolist(), slots[order].tolist(), strict=True):
            if similarity < last and len(best) >= top_k:
                break
            if owner := self._owners[slot]:
                person_id, face_id = owner
                place = (-similarity, person_id, face_id)
                if (known := best.get(person_id)) is None or place < known:
                    best[person_id] = place
                    last = similarity
        places = sorted(best.values())[:top_k]
        worst = -places[-1][0] if len(places) == top_k else -math.inf
        return [Hit(person_id, face_id, -least) for least, person_id, face_id in places], worst

    def _gather(self, slots: Rows, kind: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
        """The vectors in these slots."""
        if len(self._blocks) == 1:
            return self._blocks[0].vectors.take(slots, axis=0).astype(kind, copy=False)
        rows: npt.NDArray[Any] = np.empty((slots.size, self.dimension), kind)
        if slots.size <= FEW:
            for row, slot in enumerate(slots.tolist()):
                rows[row] = self._blocks[slot // CAPACITY].vectors[slot % CAPACITY]
            return rows
        for number, here in _by_block(slots):
            rows[here] = self._blocks[number].vectors[slots[here] % CAPACITY]
        return rows


def fingerprints(owners: Sequence[Owner], vectors: Vector) -> list[int]:
    """64 bits that stand for each face; those of a set of faces are joined by exclusive or.

    vectors: [faces, dimension]. A sum of the numbers' bits, each times an odd number of its own, so that any bit counts
    (multilinear hashing), made to depend on the name, and mixed (the finalizer of MurmurHash3).
    """
    names = np.array([zlib.crc32(f"{person_id} {face_id}".encode()) for person_id, face_id in owners], np.uint64)
    bits = np.ascontiguousarray(vectors, np.float32).view(np.uint32)
    mixed = np.einsum("ij,j->i", bits, _odd_numbers(bits.shape[1]), dtype=np.uint64, casting="same_kind")
    mixed ^= names << np.uint64(32) | names
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(factor)
    found: list[int] = mixed.tolist()
    return found


def _by_block(slots: Rows) -> Iterator[tuple[int, slice | npt.NDArray[np.bool_]]]:
    """The number of each block that has some of the slots, and which ones."""
    numbers = slots // CAPACITY
    different = set(numbers.tolist())
    for number in different:
        yield number, slice(None) if len(different) == 1 else numbers == number


@cache
def _odd_numbers(count: int) -> npt.NDArray[np.uint64]:
    return np.random.default_rng(0).integers(2**64, size=count, dtype=np.uint64, endpoint=False) | np.uint64(1)
