"""What a replica knows of a gallery: its people, their faces, and how far along the stream that is."""

import heapq
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping

from convoy.recognition.blocks import Vector
from convoy.recognition.index import Index
from convoy.recognition.records import Gallery, Person
from convoy.recognition.store.base import Head
from convoy.recognition.templates import Codec


class State:
    """What a replica knows of a gallery."""

    def __init__(self, gallery: Gallery, codec: Codec) -> None:
        self.gallery = gallery
        self.codec = codec
        self.head = Head(0, "")
        self.people: dict[str, Person] = {}
        self.index = Index(gallery.model.embedding_size, os.cpu_count() or 1)
        self._by_entry: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._expiring: list[tuple[int, str]] = []

    def put(self, person_id: str, person: Person | None, embeddings: Mapping[str, Vector]) -> None:
        """Make the person be so; `embeddings` holds those of the faces that are new."""
        self._forget(person_id)
        if person is None:
            self.index.remove(person_id)
            return
        self.people[person_id] = person
        for entry in person.entries:
            self._by_entry[entry].add(person_id)
        if person.expire_time_ms is not None:
            heapq.heappush(self._expiring, (person.expire_time_ms, person_id))
        if known := self.index.faces_of(person_id):
            kept = {face.face_id for face in person.faces}
            self.index.remove(person_id, [face_id for face_id in known if face_id not in kept])
        for face_id, embedding in embeddings.items():
            self.index.add(person_id, face_id, embedding)

    def drop_expired(self, now_ms: int) -> None:
        """Forget people whose time is over; the store deletes them in its own time."""
        while self._expiring and self._expiring[0][0] <= now_ms:
            _, person_id = heapq.heappop(self._expiring)
            if (person := self.people.get(person_id)) and person.is_expired(now_ms):
                self.put(person_id, None, {})

    def having(self, entries: Iterable[tuple[str, str]]) -> set[str]:
        """Ids of the people with all of these entries (see Person.entries), at least one."""
        sets = sorted((self._by_entry.get(entry, set()) for entry in entries), key=len)
        return set.intersection(*sets)

    def _forget(self, person_id: str) -> None:
        if (before := self.people.pop(person_id, None)) is None:
            return
        for entry in before.entries:
            self._by_entry[entry].discard(person_id)
            if not self._by_entry[entry]:
                del self._by_entry[entry]
