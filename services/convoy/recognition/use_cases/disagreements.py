"""People whose faces do not resemble one another: perhaps photos of somebody else are on their record."""

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np

from convoy.recognition.domain.face_source import FaceModel, FaceSource
from convoy.recognition.domain.pages import check_person_token, cut, page_size
from convoy.recognition.domain.searches import Disagreement, DisagreementsPage, Match, Unlike
from convoy.recognition.domain.thresholds import comparison_rate
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Followers
from convoy.recognition.search.view import View
from convoy.recognition.use_cases.agreement import STRANGER_RATE, find_agreeing
from convoy.recognition.use_cases.duplicates import AT_ONCE, OwnedVector, read_vectors
from convoy.recognition.use_cases.record_rules import CONFLICT_RATE, SAME_FACE

MOST_SEARCHED = 200
"""So many faces of a page are searched for whom they show instead; the others are listed without it."""
_Odd = tuple[OwnedVector, Unlike, float]


class Disagreements:
    """The call FindDisagreements. It raises the errors that the API documents."""

    def __init__(self, followers: Followers, faces: FaceSource) -> None:
        self._store = followers.store
        self._followers = followers
        self._faces = faces
        # One page at a time: each compares up to a million pairs of faces, and searches beside it.
        self._turn = asyncio.Semaphore(1)

    async def find(self, gallery: str, token: str, size: int) -> DisagreementsPage:
        """Compare the faces of each person of a page of people with one another."""
        size = page_size(size)
        check_person_token(token)
        view = await self._followers.view(gallery)
        model = await self._faces.model_of(view.gallery)
        model.calibrated()
        async with self._turn:
            page = cut(await self._store.list_people(gallery, token, size + 1), size, lambda person: person.person_id)
            owned = await read_vectors(self._store, view, [one for one in page.entries if len(one.faces) > 1])
            odd = await asyncio.to_thread(_find_odd, owned, model)
            threshold = model.calibrated().threshold(comparison_rate(CONFLICT_RATE, await view.count_faces([])))
            others = await _search(view, odd[:MOST_SEARCHED], threshold)
        found = [
            Disagreement(*owner, reason if other is None else Unlike.SOMEBODY_ELSE, similarity, other)
            for ((owner, _), reason, similarity), other in zip(
                odd, [*others, *[None] * (len(odd) - len(others))], strict=True
            )
        ]
        return DisagreementsPage(found, page.next_token)


def _find_odd(owned: Sequence[OwnedVector], model: FaceModel) -> list[_Odd]:
    """The faces that do not agree with their person's others, and the similarity to the nearest of those."""
    return [odd for person in _by_person(owned) for odd in _odd_of(person, model)]


def _by_person(owned: Sequence[OwnedVector]) -> Iterator[list[OwnedVector]]:
    person: list[OwnedVector] = []
    for one in owned:
        if person and person[0][0][0] != one[0][0]:
            yield person
            person = []
        person.append(one)
    if person:
        yield person


def _odd_of(person: Sequence[OwnedVector], model: FaceModel) -> Iterator[_Odd]:
    if len(person) < 2:
        return
    vectors = np.stack([vector for _, vector in person])
    threshold = model.calibrated().threshold(comparison_rate(STRANGER_RATE, len(person) - 1))
    agree = find_agreeing([*vectors], vectors[:0], threshold, SAME_FACE)
    reason = Unlike.OTHER_PERSON if any(agree) else Unlike.UNDECIDED
    for row, (one, agrees) in enumerate(zip(person, agree, strict=True)):
        if not agrees:
            yield one, reason, _nearest(vectors, row)


def _nearest(vectors: Vector, row: int) -> float:
    similarities = vectors @ vectors[row]
    similarities[row] = -1.0
    return float(np.clip(similarities.max(), -1, 1))


async def _search(view: View, odd: Sequence[_Odd], threshold: float) -> list[Match | None]:
    """Whom each face shows instead: another person whom it matches as nearly as Register refuses."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(owned: OwnedVector) -> Match | None:
        (person_id, _), vector = owned
        async with turn:
            hits = await view.search(vector, 2, [], exact=False)
        like = (hit for hit in hits if hit.person_id != person_id and hit.similarity >= threshold)
        return next((Match(*hit) for hit in like), None)

    return await asyncio.gather(*(one(owned) for owned, _, _ in odd))
