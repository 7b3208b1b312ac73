"""One more template for everybody who has several faces: their average, of unit length, made from those in memory.

Photos of a person differ by chance, in light, pose and expression; their average is nearer to another photo of the
person than most of them are, and hardly nearer to a stranger. docs/recognition.md has what that brings.
"""

import asyncio
from collections.abc import Iterable, Sequence

import numpy as np

from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.index import Hit, Index

NOBODYS = ""
"""The face id of an average; no face has it."""
AT_ONCE = 500


class Averages:
    """Averages of the faces in an index. Changes belong to one thread, the event loop; searches run in any others."""

    def __init__(self, faces: Index) -> None:
        self._faces = faces
        # Most galleries ask for none, and an index takes its time to make.
        self._index: Index | None = None

    def __len__(self) -> int:
        """People who have one."""
        return len(self._index) if self._index else 0

    @property
    def nbytes(self) -> int:
        """Memory that they take."""
        return self._index.nbytes if self._index else 0

    def count_of(self, people: Iterable[str]) -> int:
        """How many of these people have one."""
        return self._index.count_of(people) if self._index else 0

    async def turn(self, on: bool) -> None:
        """Make all, or forget them, unless it was done already. Other work comes between."""
        if on == (self._index is not None):
            return
        self._index = Index(self._faces.dimension, self._faces.threads) if on else None
        people = list(self._faces.people()) if on else []
        for start in range(0, len(people), AT_ONCE):
            for person_id in people[start : start + AT_ONCE]:
                self.refresh(person_id)
            await asyncio.sleep(0)

    def refresh(self, person_id: str) -> None:
        """Make the average of a person anew, after a change of the person's faces."""
        if self._index is None:
            return
        self._index.remove(person_id)
        vectors = self._faces.vectors_of(person_id)
        if len(vectors) < 2:
            return
        mean = vectors.mean(axis=0, dtype=np.float64)
        if (length := float(np.linalg.norm(mean))) > 1e-6:  # Opposite faces have none.
            self._index.add(person_id, NOBODYS, (mean / length).astype(np.float32))

    def merge(
        self, hits: Sequence[Hit], probe: Vector, top_k: int, among: Iterable[str] | None, exact: bool
    ) -> list[Hit]:
        """The best people by their nearest face or their average, whichever is nearer.

        hits: the best by their faces, with the same arguments. A hit by an average has no face id yet.
        """
        index = self._index
        if index is None:
            return list(hits)
        best = {hit.person_id: hit for hit in hits}
        for hit in index.search(probe, top_k, among, exact):
            known = best.get(hit.person_id)
            if known is None or hit.similarity > known.similarity:
                best[hit.person_id] = hit
        return sorted(best.values(), key=lambda hit: (-hit.similarity, hit.person_id))[:top_k]

    def with_face(self, hit: Hit, probe: Vector) -> Hit:
        """The hit with the person's face that is nearest to the probe, where an average was nearer."""
        faces = self._faces.faces_of(hit.person_id)
        if hit.face_id != NOBODYS or not faces:
            return hit
        return hit._replace(face_id=faces[int(np.argmax(self._faces.vectors_of(hit.person_id) @ probe))])
