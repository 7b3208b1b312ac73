"""A gallery in this process's memory: its people, and their faces in an exact index."""

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import faiss

from convoy.recognition.domain.records import Gallery, Person, glance
from convoy.recognition.domain.templates import Codec
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.averages import Averages
from convoy.recognition.search.face_ids import FaceIds
from convoy.recognition.search.index import Hit, Index
from convoy.recognition.search.sharing import TOGETHER
from convoy.recognition.search.view import Entry
from convoy.recognition.store.base import NOWHERE, Head, Store


class MemoryView:
    """See View. threads: a long search uses so many cores at most."""

    def __init__(self, gallery: Gallery, codec: Codec, store: Store, threads: int) -> None:
        self.gallery = gallery
        self.codec = codec
        self.head = NOWHERE
        # Records from a whole load stay as bytes until they are needed: that takes a fifth of the time and memory.
        self.people: dict[str, Person | bytes] = {}
        self.index = Index(gallery.model.embedding_size, threads)
        self.averages = Averages(self.index)
        self.face_ids = FaceIds(self.index)
        self._store = store
        self._by_entry: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._expiring: list[tuple[int, str]] = []
        # Whom this process has put since the last refresh began.
        self._touched: set[str] = set()

    @property
    def size(self) -> int:
        """Faces in the index."""
        return len(self.index)

    async def load(self, head: Head, anew: bool) -> Head:
        """See View."""
        if not self.gallery.people and not self.gallery.faces:
            # It was empty at `head`, and the stream tells what came since.
            return head
        await asyncio.gather(self._load_people(), self._load_faces())
        # Faces whose person was deleted during the load. The stream tells of it too, but only after the first searches.
        for person_id in self.index.people() - self.people.keys():
            self.index.remove(person_id)
        return head

    async def _load_people(self) -> None:
        async for page in self._store.scan_people(self.gallery.name):
            self._take(page)

    async def _load_faces(self) -> None:
        # While one page is decoded and coded in a thread, the next one is read.
        filling = asyncio.create_task(asyncio.sleep(0))
        async for faces, templates in self._store.scan_templates(self.gallery.name):
            await filling
            filling = asyncio.create_task(asyncio.to_thread(self._fill, faces, templates))
        await filling

    async def refresh(self, changed: Mapping[str, Sequence[str]], version: int) -> None:
        """See View."""
        while changed:
            touched = self._touched = set()
            await self._refresh(changed, touched)
            # What this process wrote while the store was read may be newer than what was read, or older.
            changed = {person_id: faces for person_id, faces in changed.items() if person_id in touched}

    async def _refresh(self, changed: Mapping[str, Sequence[str]], touched: Set[str]) -> None:
        """Bring people up to the store, but for those that are put meanwhile."""
        name, person_ids = self.gallery.name, list(changed)
        known = {person_id: set(self.index.faces_of(person_id)) for person_id in person_ids}
        faces = [(i, face_id) for i, came in changed.items() for face_id in came if face_id not in known[i]]
        people, templates = await self._store.read_people(name, person_ids, faces)
        embeddings: defaultdict[str, dict[str, Vector]] = defaultdict(dict)
        self._decode(faces, templates, embeddings)
        # The record may be newer than the changes that were read, and have more faces.
        missing = [
            (person.person_id, face.face_id)
            for person in people
            if person
            for face in person.faces
            if face.face_id not in known[person.person_id] and face.face_id not in embeddings[person.person_id]
        ]
        self._decode(missing, await self._store.get_templates(name, missing), embeddings)
        for person_id, person in zip(person_ids, people, strict=True):
            kept = {face.face_id for face in person.faces} if person else set()
            its = embeddings[person_id]
            if person_id not in touched:
                self._put(person_id, person, {face_id: its[face_id] for face_id in its if face_id in kept})

    def put(self, person_id: str, person: Person | None, embeddings: Mapping[str, Vector]) -> None:
        """See View."""
        self._touched.add(person_id)
        self._put(person_id, person, embeddings)

    def _put(self, person_id: str, person: Person | None, embeddings: Mapping[str, Vector]) -> None:
        self._forget(person_id)
        if person is None:
            self.face_ids.note(person_id, (), self.index.faces_of(person_id))
            self.index.remove(person_id)
            self.averages.refresh(person_id)
            return
        self.people[person_id] = person
        self._note(person_id, person.entries, person.expire_time_ms)
        if known := self.index.faces_of(person_id):
            kept = {face.face_id for face in person.faces}
            gone = [face_id for face_id in known if face_id not in kept]
            self.index.remove(person_id, gone)
            self.face_ids.note(person_id, (), gone)
        for face_id, embedding in embeddings.items():
            self.index.add(person_id, face_id, embedding)
        self.face_ids.note(person_id, embeddings)
        self.averages.refresh(person_id)

    async def arrive(self, head: Head) -> None:
        """See View."""
        await self.averages.turn(bool(self.gallery.policy.average_faces))
        self.head = head

    def drop_expired(self, now_ms: int) -> None:
        """See View."""
        while self._expiring and self._expiring[0][0] <= now_ms:
            _, person_id = heapq.heappop(self._expiring)
            if (person := self._person(person_id)) and person.is_expired(now_ms):
                self._put(person_id, None, {})

    async def search(
        self, probe: Vector, top_k: int, having: Sequence[Entry], exact: bool, averages: bool = False
    ) -> list[Hit]:
        """See View."""
        among = self._having(having) if having else None
        loop = asyncio.get_running_loop()
        if not (averages and len(self.averages)):
            return await loop.run_in_executor(_searching(), self.index.search, probe, top_k, among, exact)

        def both() -> list[Hit]:
            hits = self.index.search(probe, top_k, among, exact)
            return self.averages.merge(hits, probe, top_k, among, exact)

        found = await loop.run_in_executor(_searching(), both)
        return [self.averages.with_face(hit, probe) for hit in found]

    async def count_faces(self, having: Sequence[Entry]) -> int:
        """See View."""
        if not having:
            return len(self.index)
        return self.index.count_of(self._having(having))

    async def count_comparisons(self, having: Sequence[Entry]) -> int:
        """See View."""
        averages = self.averages.count_of(self._having(having)) if having else len(self.averages)
        return await self.count_faces(having) + averages

    async def find_people(self, person_ids: Sequence[str]) -> dict[str, Person]:
        """See View."""
        return {person_id: person for person_id in person_ids if (person := self._person(person_id))}

    async def people_with(self, face_ids: Sequence[str]) -> dict[str, list[str]]:
        """See View."""
        return await self.face_ids.people_with(face_ids)

    async def vectors_of(self, person_id: str) -> Vector | None:
        """See View."""
        return self.index.vectors_of(person_id) if person_id in self.people else None

    async def measure(self) -> tuple[int, int]:
        """See View."""
        return len(self.index), self.index.nbytes + self.averages.nbytes

    async def checksum(self) -> str:
        """See View."""
        return self.index.checksum

    def _take(self, page: Sequence[tuple[str, bytes]]) -> None:
        """Put people into a view that nobody searches yet."""
        for (person_id, _), (entries, expire_time_ms) in zip(page, glance([kept for _, kept in page]), strict=True):
            if entries or expire_time_ms is not None:
                self._note(person_id, entries, expire_time_ms)
        self.people.update(page)

    def _fill(self, faces: Sequence[tuple[str, str]], templates: Sequence[bytes]) -> None:
        """Put templates into the index of a view that nobody searches yet."""
        if faces:
            self.index.add_many(faces, self.codec.decode_many(faces, templates))

    def _decode(
        self,
        faces: Sequence[tuple[str, str]],
        templates: Sequence[bytes | None],
        into: Mapping[str, dict[str, Vector]],
    ) -> None:
        """Add the embeddings of the faces that are still there."""
        for (person_id, face_id), template in zip(faces, templates, strict=True):
            if template is not None:
                into[person_id][face_id] = self.codec.decode(person_id, face_id, template)

    def _person(self, person_id: str) -> Person | None:
        kept = self.people.get(person_id)
        return Person.from_json(person_id, kept) if isinstance(kept, bytes) else kept

    def _note(self, person_id: str, entries: Iterable[Entry], expire_time_ms: int | None) -> None:
        """Note what the person is found by, and when the person expires."""
        for entry in entries:
            self._by_entry[entry].add(person_id)
        if expire_time_ms is not None:
            heapq.heappush(self._expiring, (expire_time_ms, person_id))

    def _having(self, entries: Sequence[Entry]) -> set[str]:
        """Ids of the people with all of these entries."""
        sets = sorted((self._by_entry.get(entry, set()) for entry in entries), key=len)
        return set.intersection(*sets)

    def _forget(self, person_id: str) -> None:
        if (before := self._person(person_id)) is None:
            return
        del self.people[person_id]
        for entry in before.entries:
            self._by_entry[entry].discard(person_id)
            if not self._by_entry[entry]:
                del self._by_entry[entry]


@cache
def _searching() -> ThreadPoolExecutor:
    """Threads for searches, as many as may share a pass. OpenMP's own threads would only get in their way."""
    return ThreadPoolExecutor(TOGETHER, "search", faiss.omp_set_num_threads, (1,))
