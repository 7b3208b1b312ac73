"""Whose a face is, by its id alone. Made when it is first asked for: most replicas never are."""

import asyncio
from collections.abc import Iterable, Sequence

from convoy.recognition.search.index import Index

AT_ONCE = 2000


class FaceIds:
    """Person ids by face id, of an index. It belongs to one thread, the event loop."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._making = asyncio.Lock()
        self._is_whole = False
        # Two people have a face of one id only where version 0.1.0 took in an import that says so.
        self._people: dict[str, tuple[str, ...]] | None = None

    async def people_with(self, face_ids: Sequence[str]) -> dict[str, list[str]]:
        """The ids of those who have a face of an id, for each id that somebody has."""
        async with self._making:
            if not self._is_whole:
                await self._make()
        known = self._people or {}
        return {face_id: list(known[face_id]) for face_id in face_ids if face_id in known}

    def note(self, person_id: str, came: Iterable[str], gone: Iterable[str] = ()) -> None:
        """Take in what has changed of a person."""
        if self._people is None:
            return
        for face_id in gone:
            if left := tuple(one for one in self._people.pop(face_id, ()) if one != person_id):
                self._people[face_id] = left
        for face_id in came:
            others = self._people.get(face_id, ())
            if person_id not in others:
                self._people[face_id] = (*others, person_id)

    async def _make(self) -> None:
        """Note everybody; other work comes between, and what it changes is noted too."""
        self._people = {}
        people = list(self._index.people())
        for start in range(0, len(people), AT_ONCE):
            for person_id in people[start : start + AT_ONCE]:
                self.note(person_id, self._index.faces_of(person_id))
            await asyncio.sleep(0)
        self._is_whole = True
