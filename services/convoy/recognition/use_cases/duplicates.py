"""People who look like one another: perhaps one person under two ids."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from convoy.recognition.domain.face_source import FaceSource
from convoy.recognition.domain.pages import cut, page_size
from convoy.recognition.domain.records import Person
from convoy.recognition.domain.searches import Criterion, Duplicate
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Followers
from convoy.recognition.search.index import Hit
from convoy.recognition.search.view import View
from convoy.recognition.store.base import Store
from convoy.recognition.use_cases.identification import Identification
from convoy.recognition.use_cases.people import person_not_found

OwnedVector: TypeAlias = tuple[tuple[str, str], Vector]
"""Person id and face id, and the face's vector."""
OTHERS = 20
# So many searches of one page at a time, so that other callers' come between.
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class DuplicatesPage:
    """Pairs of people, those of each person by similarity, and the threshold that they reach."""

    pairs: Sequence[Duplicate]
    next_token: str
    match_threshold: float


class Duplicates:
    """The call FindDuplicates. It raises the errors that the API documents."""

    def __init__(self, followers: Followers, faces: FaceSource, identification: Identification) -> None:
        self._store = followers.store
        self._followers = followers
        self._faces = faces
        self._identification = identification

    async def find(
        self, gallery: str, criterion: Criterion | None, token: str, size: int, person_id: str = ""
    ) -> DuplicatesPage:
        """Search every face of a page of people, or of one person. Raises NotFound(PERSON_NOT_FOUND)."""
        size = page_size(size)
        if criterion:
            criterion.check()
        view = await self._followers.view(gallery)
        model = await self._faces.model_of(view.gallery)
        threshold = self._identification.threshold(criterion, view, model, await view.count_faces([]))
        if person_id:
            people = [one for one in await self._store.get_people(gallery, [person_id]) if one is not None]
            if not people:
                raise person_not_found(gallery, person_id)
        else:
            people = await self._store.list_people(gallery, token, size + 1)
        page = cut(people, size, lambda person: person.person_id)
        probes = await read_vectors(self._store, view, page.entries)
        pairs: dict[tuple[str, str], Duplicate] = {}
        for (face, _), hits in zip(probes, await _search(view, [vector for _, vector in probes]), strict=True):
            for hit in hits:
                is_new = face[0] != hit.person_id if person_id else face[0] < hit.person_id
                if is_new and hit.similarity >= threshold:
                    known = pairs.get((face[0], hit.person_id))
                    if known is None or known.similarity < hit.similarity:
                        pairs[face[0], hit.person_id] = Duplicate(*face, hit.person_id, hit.face_id, hit.similarity)
        ranked = sorted(pairs.values(), key=lambda pair: (pair.person_id, -pair.similarity, pair.other_person_id))
        return DuplicatesPage(ranked, page.next_token, threshold)


async def read_vectors(store: Store, view: View, people: Sequence[Person]) -> list[OwnedVector]:
    """Every face of these people that is still there, with its vector."""
    faces = [(one.person_id, face.face_id) for one in people for face in one.faces]
    templates = await store.get_templates(view.gallery.name, faces)
    return [
        (face, view.codec.decode(*face, template))
        for face, template in zip(faces, templates, strict=True)
        if template is not None
    ]


async def _search(view: View, vectors: Sequence[Vector]) -> list[list[Hit]]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(vector: Vector) -> list[Hit]:
        async with turn:
            return await view.search(vector, OTHERS + 1, [], exact=False)

    return await asyncio.gather(*map(one, vectors))
