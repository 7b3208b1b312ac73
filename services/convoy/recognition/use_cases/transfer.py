"""Galleries as they leave and come: people with their embeddings, in parts that can be sent again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import numpy as np

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.limits import (
    MAX_PAGE_SIZE,
    check_metadata,
    check_page_token,
    check_person_id,
    check_tags,
    check_text,
)
from convoy.recognition.domain.records import Face, Gallery, Person
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.messages import gallery_message, milliseconds, person_message
from convoy.recognition.search.followers import Replicas
from convoy.recognition.store.base import Committed, Conflict, PersonChange, Write, made
from convoy.recognition.store.tries import tried_again
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.people import Embeddings, People
from convoy.v1 import recognition_pb2 as pb

PAGE = 100
MAX_FACE_ID = 64
UNIT_WITHIN = 1e-3


@dataclass(frozen=True, slots=True)
class _Comer:
    """Somebody of a part: the record and the embeddings of its faces by id."""

    person: Person
    embeddings: dict[str, Vector]


class Transfer:
    """The calls ExportGallery and ImportGallery. Each raises the errors that the API documents."""

    def __init__(self, replicas: Replicas, people: People, galleries: Galleries) -> None:
        self._store = replicas.store
        self._codec_of = replicas.codec_of
        self._people = people
        self._galleries = galleries

    async def export(self, request: pb.ExportGalleryRequest) -> AsyncIterator[pb.ExportGalleryResponse]:
        """Everybody from a token on, each as on record at that moment."""
        check_page_token(request.page_token)
        gallery = await self._store.get_gallery(request.gallery)
        await self._galleries.note(gallery.name, "ExportGallery", f"from {request.page_token or 'the start'}")
        token = request.page_token
        header: pb.Gallery | None = gallery_message(gallery)
        while True:
            people = await self._store.list_people(gallery.name, token, PAGE + 1)
            token = people[PAGE - 1].person_id if len(people) > PAGE else ""
            exported = await self._exported(gallery, people[:PAGE])
            yield pb.ExportGalleryResponse(gallery=header, people=exported, next_page_token=token)
            header = None
            if not token:
                return

    async def _exported(self, gallery: Gallery, people: list[Person]) -> list[pb.ExportedPerson]:
        now, codec = now_ms(), self._codec_of(gallery)
        present = [person for person in people if not person.is_expired(now)]
        names = [(person.person_id, face.face_id) for person in present for face in person.faces]
        templates = dict(zip(names, await self._store.get_templates(gallery.name, names), strict=True))
        exported = []
        for person in present:
            message = pb.ExportedPerson(person=person_message(person))
            # A face may have been deleted since the record was read.
            del message.person.faces[:]
            for face in person_message(person).faces:
                if (template := templates[person.person_id, face.face_id]) is not None:
                    message.person.faces.append(face)
                    vector = codec.decode(person.person_id, face.face_id, template)
                    message.embeddings.append(vector.astype("<f4").tobytes())
            exported.append(message)
        return exported

    async def take_in(self, request: pb.ImportGalleryRequest) -> pb.ImportGalleryResponse:
        """One part of an import."""
        gallery = await self._store.get_gallery(request.gallery)
        if request.model_sha256 != gallery.model.sha256:
            raise _other_model(gallery, request.model_sha256)
        if len(request.people) > MAX_PAGE_SIZE:
            raise _bad(f"{len(request.people)} people were sent; at most {MAX_PAGE_SIZE} come in a part")
        comers = [_read(one, gallery.model.embedding_size) for one in request.people]
        if len({comer.person.person_id for comer in comers}) < len(comers):
            raise _bad("somebody is named twice in one part")
        now = now_ms()
        present = [comer for comer in comers if not comer.person.is_expired(now)]
        answer = pb.ImportGalleryResponse(people_expired=len(comers) - len(present))
        await tried_again(lambda: self._add(gallery, present, answer))
        answer.people_unchanged = len(present) - answer.people_imported
        answer.version = max(answer.version, gallery.version)
        return answer

    async def _add(self, gallery: Gallery, comers: list[_Comer], answer: pb.ImportGalleryResponse) -> None:
        """Add who or what is missing, and count it in `answer`. Raises Conflict when some were changed meanwhile."""
        writes, embeddings = await self._missing(gallery, comers)
        outcomes = await self._people.commit(gallery, writes, embeddings)
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Committed):
                answer.people_imported += 1
                answer.faces_imported += len(write.changes[0][0].templates)
                answer.version = max(answer.version, outcome.version)
        for outcome in sorted(outcomes, key=lambda outcome: isinstance(outcome, Conflict)):
            made(outcome)

    async def _missing(self, gallery: Gallery, comers: list[_Comer]) -> tuple[Sequence[Write], Embeddings]:
        found = await self._store.get_people(gallery.name, [comer.person.person_id for comer in comers])
        now = now_ms()
        changes = [
            change
            for before, comer in zip(found, comers, strict=True)
            if (change := _joined(before, comer.person, now)) is not None
        ]
        vectors = {(c.person.person_id, face_id): vector for c in comers for face_id, vector in c.embeddings.items()}
        writes = await asyncio.to_thread(self._sealed, gallery, changes, vectors)
        return writes, vectors

    def _sealed(
        self, gallery: Gallery, changes: list[tuple[Person | None, Person]], vectors: Embeddings
    ) -> list[Write]:
        """The writes, with templates as the store keeps them."""
        codec, call, writes = self._codec_of(gallery), current_call(), []
        for before, after in changes:
            had = {face.face_id for face in before.faces} if before else set()
            new = [(after.person_id, face.face_id) for face in after.faces if face.face_id not in had]
            templates = {name[1]: codec.encode(*name, vectors[name]) for name in new}
            note = call.note("ImportGallery", after.person_id, f"{len(new)} faces")
            writes.append(Write([(PersonChange(after.person_id, before, after, templates), note)]))
        return writes


def _joined(before: Person | None, comer: Person, now: int) -> tuple[Person | None, Person] | None:
    """The person before and after, None when nothing is missing. One who has expired counts for nothing."""
    if before is None or before.is_expired(now):
        return before, comer
    had = {face.face_id for face in before.faces}
    missing = [face for face in comer.faces if face.face_id not in had]
    if not missing:
        return None
    faces = tuple(sorted((*before.faces, *missing), key=lambda face: face.create_time_ms))
    return before, Person(
        before.person_id,
        before.display_name,
        before.metadata,
        faces,
        before.create_time_ms,
        now,
        before.expire_time_ms,
        before.tags,
    )


def _read(message: pb.ExportedPerson, dimension: int) -> _Comer:
    """Somebody, checked as if newly registered."""
    person = message.person
    check_person_id(person.person_id)
    check_text("display_name", person.display_name)
    check_metadata(person.metadata)
    ids = [face.face_id for face in person.faces]
    if len(set(ids)) < len(ids) or not all(_is_face_id(face_id) for face_id in ids):
        raise _bad(f"a face id of {person.person_id!r} is repeated, or not 1 to {MAX_FACE_ID} of printable ASCII")
    # Written so that it is refused for NaN too.
    if not all(0 <= face.quality <= 1 for face in person.faces):
        raise _bad(f"a face of {person.person_id!r} has a quality that is not from 0 to 1")
    if len(message.embeddings) != len(ids):
        raise _bad(f"person {person.person_id!r} has {len(ids)} faces, but {len(message.embeddings)} embeddings")
    vectors = [_vector(person.person_id, content, dimension) for content in message.embeddings]
    faces = tuple(Face(f.face_id, f.quality, milliseconds(f.create_time, "create_time")) for f in person.faces)
    expires = milliseconds(person.expire_time, "expire_time") if person.HasField("expire_time") else None
    record = Person(
        person.person_id,
        person.display_name,
        dict(person.metadata),
        faces,
        milliseconds(person.create_time, "create_time"),
        milliseconds(person.update_time, "update_time"),
        expires,
        check_tags(person.tags),
    )
    return _Comer(record, dict(zip(ids, vectors, strict=True)))


def _is_face_id(face_id: str) -> bool:
    return 1 <= len(face_id) <= MAX_FACE_ID and face_id.isascii() and face_id.isprintable() and " " not in face_id


def _vector(person_id: str, content: bytes, dimension: int) -> Vector:
    if len(content) == 4 * dimension:
        vector = np.frombuffer(content, "<f4").astype(np.float32)
        # Written so that it is false for NaN too.
        if abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) <= UNIT_WITHIN:
            return vector
    raise _bad(f"an embedding of {person_id!r} is not {dimension} numbers of unit length")


def _other_model(gallery: Gallery, sha256: str) -> FailedPrecondition:
    message = (
        f"gallery {gallery.name!r} was made by {gallery.model.name}:{gallery.model.version} "
        f"({gallery.model.sha256[:12]}…), the embeddings by another model ({sha256[:12] or 'not named'}…)"
    )
    facts = {"gallery_model_sha256": gallery.model.sha256, "model_sha256": sha256}
    return FailedPrecondition("MODEL_MISMATCH", message, facts)


def _bad(message: str) -> InvalidArgument:
    return InvalidArgument("BAD_ARGUMENT", message, {"field": "people"})
