"""1:K search in memory: the people whose nearest face is most similar to a probe.

Faces lie in slots of fixed blocks, so that growing copies nothing. Inserts and deletes change one slot and never wait
for a search: a slot that was freed is used again only when no search that may have seen its old face is running.
Inserts and deletes belong to one thread (the event loop); searches run in any others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Slots = npt.NDArray[np.int64]
Owner = tuple[str, str]
BLOCK = 16_384
# Sums of float32 products in another order differ by less than this for unit vectors of up to 4096 numbers.
ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Hit:
    """A person and the face that is nearest to the probe."""

    person_id: str
    face_id: str
    similarity: float


class Index:
    """Unit vectors of `dimension` numbers, each the face of a person."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._blocks: list[Vector] = []
        self._alive: list[npt.NDArray[np.bool_]] = []
        self._owners: list[Owner | None] = []
        self._slots: dict[str, dict[str, int]] = {}
        self._free: list[int] = []
        self._limbo: list[tuple[int, int]] = []
        self._removals = 0
        self._running: dict[object, int] = {}
        self._size = 0

    def __len__(self) -> int:
        """Faces in it."""
        return self._size

    @property
    def nbytes(self) -> int:
        """Memory that the vectors take."""
        return sum(block.nbytes for block in self._blocks)

    def faces_of(self, person_id: str) -> list[str]:
        """Ids of a person's faces."""
        return list(self._slots.get(person_id, ()))

    def vectors_of(self, person_id: str) -> Vector:
        """The vectors of a person's faces, [faces, dimension], in the order of faces_of."""
        return self._gather(list(self._slots.get(person_id, {}).values()))

    def add(self, person_id: str, face_id: str, vector: Vector) -> None:
        """Insert one face; one that is there already is left as it is, for faces never change."""
        slots = self._slots.setdefault(person_id, {})
        if face_id in slots:
            return
        slot = self._free.pop() if self._free else self._grow()
        block, row = divmod(slot, BLOCK)
        self._blocks[block][row] = vector
        self._owners[slot] = (person_id, face_id)
        self._alive[block][row] = True
        slots[face_id] = slot
        self._size += 1

    def remove(self, person_id: str, face_ids: Iterable[str] | None = None) -> None:
        """Delete faces of a person, by default all; those that are not there are passed over."""
        slots = self._slots.get(person_id, {})
        self._removals += 1
        for face_id in list(slots) if face_ids is None else face_ids:
            if (slot := slots.pop(face_id, None)) is not None:
                self._owners[slot] = None
                self._alive[slot // BLOCK][slot % BLOCK] = False
                self._limbo.append((self._removals, slot))
                self._size -= 1
        if not slots:
            self._slots.pop(person_id, None)
        self.reclaim()

    def reclaim(self) -> None:
        """Erase and free the slots of deleted faces that no running search can have seen."""
        oldest = min(list(self._running.values()), default=self._removals)
        while self._limbo and self._limbo[0][0] <= oldest:
            _, slot = self._limbo.pop(0)
            self._blocks[slot // BLOCK][slot % BLOCK] = 0.0
            self._free.append(slot)

    def search(self, probe: Vector, top_k: int, among: Iterable[str] | None = None) -> list[Hit]:
        """The `top_k` most similar people, best first, each by the nearest face; ties by person id, then face id.

        probe: [dimension], unit length. among: search these people alone. Exact: the answer is that of comparing every
        face in float64 and rounding to float32.
        """
        ticket = object()
        self._running[ticket] = self._removals
        try:
            slots = self._nearest(probe, top_k) if among is None else self._slots_of(among)
            return self._rank(probe, slots, top_k)
        finally:
            del self._running[ticket]

    def _grow(self) -> int:
        slot = len(self._owners)
        if slot == len(self._blocks) * BLOCK:
            self._alive.append(np.zeros(BLOCK, np.bool_))
            self._blocks.append(np.zeros((BLOCK, self.dimension), np.float32))
        self._owners.append(None)
        return slot

    def _nearest(self, probe: Vector, top_k: int) -> Sequence[int]:
        """Slots that hold the best `top_k` people for certain."""
        scores = self._scores(probe)
        wanted = 4 * top_k + 16
        while wanted < scores.size:
            best = np.argpartition(scores, -wanted)[-wanted:]
            worst_needed = self._kth_person(best, scores[best], top_k)
            if worst_needed is not None:
                return np.flatnonzero(scores >= worst_needed - ROUNDING).tolist()
            wanted *= 4
        return np.flatnonzero(scores > -np.inf).tolist()

    def _scores(self, probe: Vector) -> Vector:
        """Similarity of every slot in float32, -inf for empty ones."""
        count = len(self._owners)
        scores = np.empty(count, np.float32)
        probe = np.ascontiguousarray(probe, np.float32)
        for start in range(0, count, BLOCK):
            part = scores[start : start + BLOCK]
            rows = self._blocks[start // BLOCK]
            pointers = map(faiss.swig_ptr, (part, probe, rows))
            faiss.fvec_inner_products_ny(  # type: ignore[attr-defined]
                *pointers, self.dimension, part.size
            )
            part[~self._alive[start // BLOCK][: part.size]] = -np.inf
        return scores

    def _kth_person(self, slots: Slots, scores: Vector, top_k: int) -> float | None:
        """The score of the `top_k`-th different person among the slots, None if there are fewer."""
        seen: set[str] = set()
        for i in np.argsort(-scores):
            owner = self._owners[slots[i]]
            if owner is not None:
                seen.add(owner[0])
            if len(seen) == top_k:
                return float(scores[i])
        return None

    def _slots_of(self, people: Iterable[str]) -> Sequence[int]:
        return [slot for person_id in people for slot in list(self._slots.get(person_id, {}).values())]

    def _rank(self, probe: Vector, slots: Sequence[int], top_k: int) -> list[Hit]:
        """Compare in float64, one row at a time, so that equal faces get equal similarities wherever they lie."""
        owners = [self._owners[slot] for slot in slots]
        best: dict[str, Hit] = {}
        exact = probe.astype(np.float64)
        for start in range(0, len(slots), 4096):
            similarities = (
                (self._gather(slots[start : start + 4096]) * exact).sum(axis=1).astype(np.float32).clip(-1, 1)
            )
            for owner, similarity in zip(owners[start : start + 4096], similarities.tolist(), strict=True):
                if owner is None:
                    continue
                hit, before = Hit(*owner, similarity), best.get(owner[0])
                if before is None or _order(hit) < _order(before):
                    best[owner[0]] = hit
        return sorted(best.values(), key=_order)[:top_k]

    def _gather(self, slots: Sequence[int]) -> Vector:
        rows = np.empty((len(slots), self.dimension), np.float32)
        for i, slot in enumerate(slots):
            rows[i] = self._blocks[slot // BLOCK][slot % BLOCK]
        return rows


def _order(hit: Hit) -> tuple[float, str, str]:
    return (-hit.similarity, hit.person_id, hit.face_id)
