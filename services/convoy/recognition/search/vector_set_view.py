"""A gallery that is searched in vector sets of Redis 8: nothing of it lies in this process's memory.

The sets choose candidates; the records and templates of the store, which are the truth, decide. Similarities are
computed from the templates in float64, and a person who was deleted a moment ago is not found, whatever a set still
holds. Each replica brings the sets up to date as it follows the stream; the first one to arrive does the work.
"""

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import reduce
from operator import xor

import numpy as np

from convoy.core.errors import FailedPrecondition
from convoy.recognition.domain.caller import now_ms
from convoy.recognition.domain.records import Gallery, Person
from convoy.recognition.domain.templates import Codec
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.index import Hit, fingerprints
from convoy.recognition.search.view import Entry
from convoy.recognition.store.base import NOWHERE, Head, Store
from convoy.recognition.store.vector_sets import Near, Settled, VectorSetStore

# How far the similarities of a set are off, about: by float32 sums, or by numbers kept in a byte.
OFF = {"NOQUANT": 1e-4, "Q8": 0.01}
NOTED_EVERY_S = 5.0
TRIES = 5
PAGE = 500


class VectorSetView:
    """See View."""

    def __init__(self, gallery: Gallery, codec: Codec, store: Store, sets: VectorSetStore) -> None:
        self.gallery = gallery
        self.codec = codec
        self.head = NOWHERE
        self._store = store
        self._sets = sets
        self._noted_at = -math.inf
        self._faces = 0

    @property
    def size(self) -> int:
        """Faces in the sets when they were last counted."""
        return self._faces

    async def load(self, head: Head, anew: bool) -> Head:
        """Go on from where the sets stand. If that is not known, put everybody in and take out whoever is gone."""
        if not anew and (settled := await self._sets.get_settled(self.gallery)):
            return replace(settled, epoch=head.epoch)
        present: set[str] = set()
        async for page in self._store.scan_people(self.gallery.name):
            ids = [person_id for person_id, _ in page]
            present.update(ids)
            # A first load that was cut off goes on: who is settled already is passed over.
            ids = ids if anew else await self._sets.outdated(self.gallery, head.version, ids)
            await self._settle(ids, head.version, force=anew)
        async for person_id, _ in self._sets.members(self.gallery):
            if person_id not in present:
                await self._settle([person_id], head.version, force=True)
        return head

    async def refresh(self, changed: Mapping[str, Sequence[str]], version: int) -> None:
        """See View."""
        await self._settle(await self._sets.outdated(self.gallery, version, list(changed)), version)

    def put(self, person_id: str, person: Person | None, embeddings: Mapping[str, Vector]) -> None:
        """Do nothing: the stream brings the change."""

    async def arrive(self, head: Head) -> None:
        """See View."""
        self.head = head
        if time.monotonic() - self._noted_at > NOTED_EVERY_S:
            self._noted_at = time.monotonic()
            await self._sets.set_settled(self.gallery, head)
            self._faces, _ = await self._sets.measure(self.gallery)

    def drop_expired(self, now_ms: int) -> None:
        """Do nothing: a search looks at each person's time."""

    async def search(
        self, probe: Vector, top_k: int, having: Sequence[Entry], exact: bool, averages: bool = False
    ) -> list[Hit]:
        """See View; without `exact`, with the recall of the graph (HNSW). There are no averages.

        Raises FailedPrecondition.
        """
        sets = self.gallery.vector_sets
        assert sets is not None
        if exact and sets.quantization != "NOQUANT":
            message = (
                f"gallery {self.gallery.name!r} keeps its vectors as {sets.quantization}, so a search cannot be exact"
            )
            raise FailedPrecondition("EXACT_UNAVAILABLE", message, {"gallery": self.gallery.name})
        wanted = probe.astype("<f4").tobytes()
        count = 4 * top_k + 16
        while True:
            shards = await self._sets.nearest(self.gallery, wanted, count, having, exact)
            near = sorted((face for shard in shards for face in shard), key=lambda face: -face.similarity)
            # By the sets' numbers, no face that is left out is nearer than the highest of these.
            left = [shard[-1].similarity for shard in shards if len(shard) >= count]
            left += [face.similarity for face in near[count : count + 1]]
            hits = await self._ranked(probe, near[:count], having)
            if not left or (len(hits) >= top_k and hits[top_k - 1].similarity > max(left) + OFF[sets.quantization]):
                return hits[:top_k]
            count *= 4

    async def count_faces(self, having: Sequence[Entry]) -> int:
        """All faces of the gallery. A filter is not counted, so a threshold is too high rather than too low."""
        return (await self._store.get_gallery(self.gallery.name)).faces

    async def count_comparisons(self, having: Sequence[Entry]) -> int:
        """See View; there are no averages."""
        return await self.count_faces(having)

    async def find_people(self, person_ids: Sequence[str]) -> dict[str, Person]:
        """See View."""
        people = await self._store.get_people(self.gallery.name, person_ids)
        return {person.person_id: person for person in people if person and not person.is_expired(now_ms())}

    async def people_with(self, face_ids: Sequence[str]) -> dict[str, list[str]]:
        """See View."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        owners = await self._store.find_owners(self.gallery, face_ids)
        if owners is not None:
            ids = sorted({person_id for several in owners.values() for person_id in several})
            for person in await self._store.get_people(self.gallery.name, ids):
                for face in person.faces if person else ():
                    if person and person.person_id in owners.get(face.face_id, ()):
                        found[face.face_id].append(person.person_id)
            return dict(found)
        # For now nobody knows without reading the names of all faces.
        wanted = set(face_ids)
        async for person_id, faces in self._sets.members(self.gallery):
            for face_id in wanted.intersection(faces):
                found[face_id].append(person_id)
        return dict(found)

    async def vectors_of(self, person_id: str) -> Vector | None:
        """See View."""
        people = await self.find_people([person_id])
        if person_id not in people:
            return None
        vectors = await self._vectors([(person_id, face.face_id) for face in people[person_id].faces])
        return np.stack(list(vectors.values())) if vectors else np.empty((0, self.gallery.model.embedding_size), "f4")

    async def measure(self) -> tuple[int, int]:
        """See View."""
        return await self._sets.measure(self.gallery)

    async def checksum(self) -> str:
        """Of the store's templates for the faces in the sets: the numbers in the sets themselves are rounded."""
        prints: list[int] = []
        async for person_id, face_ids in self._sets.members(self.gallery):
            vectors = await self._vectors([(person_id, face_id) for face_id in face_ids])
            nothing = np.zeros(self.gallery.model.embedding_size, np.float32)
            faces = [(person_id, face_id) for face_id in face_ids]
            prints += fingerprints(faces, np.stack([vectors.get(face, nothing) for face in faces]))
        return f"{reduce(xor, prints, 0):016x}"

    async def _settle(self, person_ids: Sequence[str], version: int, force: bool = False) -> None:
        for start in range(0, len(person_ids), PAGE):
            ids = person_ids[start : start + PAGE]
            people = await self._store.get_people(self.gallery.name, ids)
            faces = [(person.person_id, face.face_id) for person in people if person for face in person.faces]
            templates: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
            for (person_id, face_id), vector in (await self._vectors(faces)).items():
                templates[person_id][face_id] = vector.astype("<f4").tobytes()
            states = [Settled(i, person, templates[i]) for i, person in zip(ids, people, strict=True)]
            await self._sets.settle(self.gallery, version, states, force)

    async def _vectors(self, faces: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Vector]:
        templates = await self._store.get_templates(self.gallery.name, faces)
        return {face: self.codec.decode(*face, kept) for face, kept in zip(faces, templates, strict=True) if kept}

    async def _with_record(
        self, lost: Set[str], people: dict[str, Person], vectors: dict[tuple[str, str], Vector]
    ) -> tuple[dict[str, Person], dict[tuple[str, str], Vector]]:
        """Add the faces on record of those who lost one that a set had, since the set may not have their new ones yet.

        A record may change while its templates are read: then both are read again, a few times.
        """
        for _ in range(TRIES):
            if not lost:
                break
            there = await self.find_people(sorted(lost))
            people = {person_id: one for person_id, one in people.items() if person_id not in lost} | there
            faces = [(person_id, face.face_id) for person_id, one in there.items() for face in one.faces]
            read = await self._vectors(faces)
            vectors = vectors | read
            lost = {person_id for person_id, face_id in faces if (person_id, face_id) not in read}
        return people, vectors

    async def _ranked(self, probe: Vector, near: Sequence[Near], having: Sequence[Entry]) -> list[Hit]:
        """The people of these faces by their best face, without those who are deleted, expired or filtered out."""
        people = await self.find_people(list(dict.fromkeys(face.person_id for face in near)))
        vectors = await self._vectors([(face.person_id, face.face_id) for face in near])
        lost = {face.person_id for face in near if (face.person_id, face.face_id) not in vectors}
        people, vectors = await self._with_record(lost & people.keys(), people, vectors)
        exact = probe.astype(np.float64)
        hits = []
        for (person_id, face_id), vector in vectors.items():
            person = people.get(person_id)
            if person is None or not set(having) <= set(person.entries):
                continue
            hits.append(Hit(person_id, face_id, float(np.float32((vector * exact).sum()).clip(-1, 1))))
        best: dict[str, Hit] = {}
        for hit in sorted(hits, key=lambda hit: (-hit.similarity, hit.person_id, hit.face_id)):
            best.setdefault(hit.person_id, hit)
        return list(best.values())
