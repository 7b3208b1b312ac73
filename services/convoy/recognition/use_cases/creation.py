"""Making people without faces, and giving people other ids."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from convoy.core.errors import AlreadyExists, InvalidArgument
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.edits import NewPerson
from convoy.recognition.domain.limits import (
    check_expiry,
    check_metadata,
    check_person_id,
    check_request_id,
    check_tags,
    check_text,
)
from convoy.recognition.domain.records import Face, Gallery, Note, Person
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Committed, Idempotency, PersonChange, Write
from convoy.recognition.use_cases.people import Embeddings, People, Versioned
from convoy.recognition.use_cases.repetition import answered_once


class Creation:
    """The calls CreatePerson and RenamePerson. They raise the errors that the API documents.

    A request that comes again gets the person as on record then: what is remembered describes nobody.
    """

    def __init__(self, followers: Followers, people: People) -> None:
        self._store = followers.store
        self._codec_of = followers.codec_of
        self._people = people
        self._turns = followers.turns

    async def create(self, asked: NewPerson) -> Versioned:
        """Keep a person who has no face yet."""
        check_person_id(asked.person_id)
        check_text("display_name", asked.display_name)
        check_metadata(asked.metadata)
        check_tags(asked.tags)
        check_request_id(asked.request_id)
        request = Idempotency(asked.request_id, content=asked.digest())

        async def attempt() -> Versioned | Committed:
            # Not before the first answer was looked for: a request that comes again may come after its time.
            if asked.expire_time_ms is not None:
                check_expiry(asked.expire_time_ms, now_ms())
            gallery = await self._store.get_gallery(asked.gallery)
            before = await self._free(asked.gallery, asked.person_id)
            now = now_ms()
            times = (now, now, asked.expire_time_ms)
            tags = check_tags(asked.tags)
            after = Person(asked.person_id, asked.display_name, dict(asked.metadata), (), *times, tags)
            note = current_call().note("CreatePerson", asked.person_id)
            write = Write([(PersonChange(asked.person_id, before, after), note)], request)
            return await self._made(gallery, write, after, {})

        return await self._once(asked.gallery, asked.person_id, request, attempt)

    async def rename(self, gallery: str, person_id: str, new_id: str, request_id: str) -> Versioned:
        """Give a person another id, which nobody has."""
        check_person_id(new_id)
        check_request_id(request_id)
        if person_id == new_id:
            raise InvalidArgument("BAD_ARGUMENT", f"person {person_id!r} has this id", {"field": "new_person_id"})
        request = Idempotency(request_id, content=_digest("RenamePerson", person_id, new_id))

        async def attempt() -> Versioned | Committed:
            kept = await self._store.get_gallery(gallery)
            person = await self._people.find(gallery, person_id)
            before = await self._free(gallery, new_id)
            after = replace(person, person_id=new_id, update_time_ms=now_ms())
            vectors = await self._people.vectors_of(kept, person)
            labels = await self._people.labels_of(gallery, person)
            write = Write(self._moves(kept, person, before, after, vectors, labels), request)
            embeddings = {(new_id, face.face_id): vector for face, vector in vectors.items()}
            return await self._made(kept, write, after, embeddings)

        return await self._once(gallery, new_id, request, attempt)

    def _moves(
        self,
        gallery: Gallery,
        person: Person,
        before: Person | None,
        after: Person,
        vectors: Mapping[Face, Vector],
        labels: Mapping[str, str],
    ) -> list[tuple[PersonChange, Note]]:
        """The changes: the person comes under the new id, then goes from the old one."""
        codec, call = self._codec_of(gallery), current_call()
        # A template is sealed for its person and face, so each is opened and sealed anew.
        templates = {
            face.face_id: codec.encode(after.person_id, face.face_id, vector) for face, vector in vectors.items()
        }
        came = call.note("RenamePerson", after.person_id, f"was {person.person_id}")
        gone = call.note("RenamePerson", person.person_id, f"is {after.person_id} now")
        # A follower may see the two changes apart: rather both have the faces for a moment than nobody.
        return [
            (PersonChange(after.person_id, before, after, templates, labels), came),
            (PersonChange(person.person_id, person, None, moved_to=after.person_id), gone),
        ]

    async def _free(self, gallery: str, person_id: str) -> Person | None:
        """Whoever has expired under this id, which is free then. Raises AlreadyExists(PERSON_EXISTS)."""
        [person] = await self._store.get_people(gallery, [person_id])
        if person is not None and not person.is_expired(now_ms()):
            facts = {"gallery": gallery, "person_id": person_id}
            raise AlreadyExists("PERSON_EXISTS", f"there is a person {person_id!r} in gallery {gallery!r}", facts)
        return person

    async def _made(
        self, gallery: Gallery, write: Write, after: Person, embeddings: Embeddings
    ) -> Versioned | Committed:
        committed = await self._people.commit_one(gallery, write, embeddings)
        return committed if committed.repeated else Versioned(after, committed.version, committed.epoch)

    async def _once(
        self,
        name: str,
        person_id: str,
        request: Idempotency,
        attempt: Callable[[], Awaitable[Versioned | Committed]],
    ) -> Versioned:
        found = await self._store.get_gallery(name)
        answer = await answered_once(self._store, found, request, lambda: self._turns.tried_again(name, attempt))
        if isinstance(answer, Committed):
            return Versioned(await self._people.find(name, person_id), answer.version, answer.epoch)
        return answer


def _digest(*words: str) -> str:
    return hashlib.blake2b(" ".join(words).encode(), digest_size=16).hexdigest()
