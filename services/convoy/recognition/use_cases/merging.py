"""Making one person of two."""

import hashlib
import secrets
from dataclasses import replace

from convoy.core.errors import InvalidArgument
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.limits import check_faces, check_metadata, check_request_id, check_tags
from convoy.recognition.domain.records import Face, Gallery, Note, Person
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Committed, Idempotency, PersonChange, Write
from convoy.recognition.use_cases.people import People, Versioned
from convoy.recognition.use_cases.repetition import answered_once


class Merging:
    """The call MergePeople. It raises the errors that the API documents.

    A request that comes again gets the person as on record then: what is remembered describes nobody.
    """

    def __init__(self, followers: Followers, people: People) -> None:
        self._store = followers.store
        self._codec_of = followers.codec_of
        self._people = people
        self._turns = followers.turns

    async def merge(self, gallery: str, kept_id: str, merged_id: str, request_id: str) -> Versioned:
        """Give the faces of the second person to the first and delete the second, in one step."""
        check_request_id(request_id)
        if kept_id == merged_id:
            message = f"person {kept_id!r} cannot be merged with itself"
            raise InvalidArgument("BAD_ARGUMENT", message, {"field": "merged_person_id"})

        request = Idempotency(request_id, content=_digest(kept_id, merged_id))

        async def attempt() -> Versioned | Committed:
            return await self._attempt(gallery, kept_id, merged_id, request)

        found = await self._store.get_gallery(gallery)
        answer = await answered_once(self._store, found, request, lambda: self._turns.tried_again(gallery, attempt))
        if isinstance(answer, Committed):
            return Versioned(await self._people.find(gallery, kept_id), answer.version, answer.epoch)
        return answer

    async def _attempt(self, name: str, kept_id: str, merged_id: str, request: Idempotency) -> Versioned | Committed:
        gallery = await self._store.get_gallery(name)
        first = await self._people.find(name, kept_id)
        second = await self._people.find(name, merged_id)
        taken = {face.face_id for face in first.faces}
        # A template is sealed for its person and face, so each is opened and sealed anew.
        moved = {
            replace(face, face_id=secrets.token_hex(8) if face.face_id in taken else face.face_id): vector
            for face, vector in (await self._people.vectors_of(gallery, second)).items()
        }
        merged = check_faces(_merged(first, second, moved))
        changes = self._changes(gallery, first, second, merged, moved, await self._labels(name, second, moved))
        write = Write(changes, request)
        embeddings = {(first.person_id, face.face_id): vector for face, vector in moved.items()}
        committed = await self._people.commit_one(gallery, write, embeddings)
        return committed if committed.repeated else Versioned(merged, committed.version, committed.epoch)

    def _changes(
        self,
        gallery: Gallery,
        first: Person,
        second: Person,
        merged: Person,
        moved: dict[Face, Vector],
        labels: dict[str, str],
    ) -> list[tuple[PersonChange, Note]]:
        codec, call, count = self._codec_of(gallery), current_call(), len(moved)
        templates = {face.face_id: codec.encode(first.person_id, face.face_id, moved[face]) for face in moved}
        kept = call.note("MergePeople", first.person_id, f"{count} faces of {second.person_id} taken over")
        gone = call.note("MergePeople", second.person_id, f"{count} faces given to {first.person_id}")
        # A follower may see the two changes apart: rather both have the faces for a moment than nobody.
        return [
            (PersonChange(first.person_id, first, merged, templates, labels), kept),
            (PersonChange(second.person_id, second, None), gone),
        ]

    async def _labels(self, name: str, second: Person, moved: dict[Face, Vector]) -> dict[str, str]:
        """The labels of the second person's faces, by the ids that the faces get."""
        labels = await self._people.labels_of(name, second)
        pairs = zip(second.faces, moved, strict=True)
        return {face.face_id: labels[old.face_id] for old, face in pairs if old.face_id in labels}


def _digest(kept_id: str, merged_id: str) -> str:
    return hashlib.blake2b(f"MergePeople {kept_id} {merged_id}".encode(), digest_size=16).hexdigest()


def _merged(first: Person, second: Person, moved: dict[Face, Vector]) -> Person:
    metadata = {**second.metadata, **first.metadata}
    check_metadata(metadata)
    return replace(
        first,
        metadata=metadata,
        tags=check_tags((*first.tags, *second.tags)),
        faces=tuple(sorted((*first.faces, *moved), key=lambda face: face.create_time_ms)),
        update_time_ms=now_ms(),
    )
