"""Export and import of galleries: people with their embeddings, in parts that can be sent again."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.limits import (
    MAX_FACE_ID,
    check_faces,
    check_metadata,
    check_person_id,
    check_tags,
    check_text,
    is_face_id,
)
from convoy.recognition.domain.pages import MAX_PAGE_SIZE, check_person_token, cut
from convoy.recognition.domain.records import Gallery, Person
from convoy.recognition.domain.transfers import ExportedPerson, ExportPart, Imported, ImportPart
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Committed, Conflict, PersonChange, Write, made
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.people import Embeddings, People

PAGE = 100
FACES_AT_ONCE = 4000
UNIT_WITHIN = 1e-3


@dataclass(frozen=True, slots=True)
class _Comer:
    """A person of the part: the record, and the embeddings of its faces by id."""

    person: Person
    embeddings: dict[str, Vector]


@dataclass(slots=True)
class _Added:
    """What of a part was added so far, over all tries."""

    people: int = 0
    faces: int = 0
    version: int = 0
    epoch: str = ""


class Transfer:
    """The calls ExportGallery and ImportGallery. Each raises the errors that the API documents."""

    def __init__(self, followers: Followers, people: People, galleries: Galleries) -> None:
        self._store = followers.store
        self._followers = followers
        self._codec_of = followers.codec_of
        self._people = people
        self._turns = followers.turns
        self._galleries = galleries

    async def export(self, name: str, token: str) -> AsyncIterator[ExportPart]:
        """Give everybody from a token on, each person as on record at that moment."""
        check_person_token(token)
        gallery = await self._store.get_gallery(name)
        await self._galleries.note(gallery.name, "ExportGallery", f"from {token or 'the start'}")
        header: Gallery | None = gallery
        while True:
            found = await self._store.list_people(gallery.name, token, PAGE + 1)
            people, token = cut(found, min(PAGE, _fitting(found)), lambda person: person.person_id)
            yield ExportPart(header, await self._exported(gallery, people), token)
            header = None
            if not token:
                return

    async def _exported(self, gallery: Gallery, people: Sequence[Person]) -> list[ExportedPerson]:
        now, codec = now_ms(), self._codec_of(gallery)
        present = [person for person in people if not person.is_expired(now)]
        names = [(person.person_id, face.face_id) for person in present for face in person.faces]
        templates = dict(zip(names, await self._store.get_templates(gallery.name, names), strict=True))
        exported = []
        for person in present:
            vectors = {
                face: codec.decode(person.person_id, face.face_id, template)
                for face in person.faces
                # A face may have been deleted since the record was read.
                if (template := templates[person.person_id, face.face_id]) is not None
            }
            embeddings = [vector.astype("<f4").tobytes() for vector in vectors.values()]
            exported.append(ExportedPerson(replace(person, faces=tuple(vectors)), embeddings))
        return exported

    async def take_in(self, part: ImportPart) -> Imported:
        """Take in one part of an import."""
        gallery = await self._store.get_gallery(part.gallery)
        if part.model_sha256 != gallery.model.sha256:
            raise _other_model(gallery, part.model_sha256)
        if len(part.people) > MAX_PAGE_SIZE:
            raise _bad(f"{len(part.people)} people were sent; a part may have {MAX_PAGE_SIZE}")
        comers = [_checked(one, gallery.model.embedding_size) for one in part.people]
        if len({comer.person.person_id for comer in comers}) < len(comers):
            raise _bad("a person is there twice in one part")
        now = now_ms()
        present = [comer for comer in comers if not comer.person.is_expired(now)]
        added = _Added(version=gallery.version, epoch=gallery.epoch)
        await self._turns.tried_again(gallery.name, lambda: self._add(gallery, present, added))
        return Imported(
            people_imported=added.people,
            faces_imported=added.faces,
            people_unchanged=len(present) - added.people,
            people_expired=len(comers) - len(present),
            version=added.version,
            epoch=added.epoch,
        )

    async def _add(self, gallery: Gallery, comers: list[_Comer], added: _Added) -> None:
        """Add who or what is missing, and count it in `added`. Raises Conflict when some were changed meanwhile."""
        writes, embeddings = await self._missing(gallery, comers)
        outcomes = await self._people.commit(gallery, writes, embeddings)
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Committed):
                added.people += 1
                added.faces += len(write.changes[0][0].templates)
                added.version, added.epoch = max(added.version, outcome.version), outcome.epoch
        # A conflict is tried again; whatever else kept a write from being made is told first.
        for outcome in sorted(outcomes, key=lambda outcome: isinstance(outcome, Conflict)):
            made(outcome)

    async def _missing(self, gallery: Gallery, comers: list[_Comer]) -> tuple[Sequence[Write], Embeddings]:
        found = await self._store.get_people(gallery.name, [comer.person.person_id for comer in comers])
        comers = _told_apart(found, comers, await self._owners(gallery, comers))
        now = now_ms()
        changes = [
            change
            for before, comer in zip(found, comers, strict=True)
            if (change := _joined(before, comer.person, now)) is not None
        ]
        vectors = {(c.person.person_id, face_id): vector for c in comers for face_id, vector in c.embeddings.items()}
        writes = await asyncio.to_thread(self._sealed, gallery, changes, vectors)
        return writes, vectors

    async def _owners(self, gallery: Gallery, comers: Sequence[_Comer]) -> dict[str, list[str]]:
        """Whose the faces on record are that have the id of one that comes."""
        view = await self._followers.fresh_view(gallery.name)
        return await view.people_with([face_id for comer in comers for face_id in comer.embeddings])

    def _sealed(
        self, gallery: Gallery, changes: list[tuple[Person | None, Person]], vectors: Embeddings
    ) -> list[Write]:
        """The writes, with templates encoded as the store keeps them."""
        codec, call, writes = self._codec_of(gallery), current_call(), []
        for before, after in changes:
            had = {face.face_id for face in before.faces} if before else set()
            new = [(after.person_id, face.face_id) for face in after.faces if face.face_id not in had]
            templates = {name[1]: codec.encode(*name, vectors[name]) for name in new}
            note = call.note("ImportGallery", after.person_id, f"{len(new)} faces")
            writes.append(Write([(PersonChange(after.person_id, before, after, templates), note)]))
        return writes


def _fitting(people: Sequence[Person]) -> int:
    """How many of these a part holds: the first, and others while their faces are not too many for a message."""
    faces = 0
    for number, person in enumerate(people):
        faces += len(person.faces)
        if number and faces > FACES_AT_ONCE:
            return number
    return max(1, len(people))


def _told_apart(
    found: Sequence[Person | None], comers: Sequence[_Comer], owners: Mapping[str, Sequence[str]]
) -> list[_Comer]:
    """The comers, with another id for each face whose id is somebody else's; the same one if the part comes again."""
    taken: dict[str, str] = {face_id: people[0] for face_id, people in owners.items()}
    apart = []
    for before, comer in zip(found, comers, strict=True):
        person_id = comer.person.person_id
        had = {face.face_id for face in before.faces} if before else set()
        ids = {}
        for face_id in comer.embeddings:
            other = hashlib.blake2b(f"{person_id} {face_id}".encode(), digest_size=8).hexdigest()
            is_taken = face_id not in had and taken.get(face_id, person_id) != person_id
            ids[face_id] = other if is_taken or other in had else face_id
            taken.setdefault(ids[face_id], person_id)
        faces = tuple(replace(face, face_id=ids[face.face_id]) for face in comer.person.faces)
        embeddings = {ids[face_id]: vector for face_id, vector in comer.embeddings.items()}
        apart.append(_Comer(replace(comer.person, faces=faces), embeddings))
    return apart


def _joined(before: Person | None, comer: Person, now: int) -> tuple[Person | None, Person] | None:
    """The person before and after; None if nothing is missing. A person who has expired counts as absent."""
    if before is None or before.is_expired(now):
        return before, check_faces(comer)
    had = {face.face_id for face in before.faces}
    missing = [face for face in comer.faces if face.face_id not in had]
    if not missing:
        return None
    faces = tuple(sorted((*before.faces, *missing), key=lambda face: face.create_time_ms))
    return before, check_faces(replace(before, faces=faces, update_time_ms=now))


def _checked(one: ExportedPerson, dimension: int) -> _Comer:
    """A person of the part, checked as a new registration is."""
    person = one.person
    check_person_id(person.person_id)
    check_text("display_name", person.display_name)
    check_metadata(person.metadata)
    ids = [face.face_id for face in person.faces]
    if len(set(ids)) < len(ids) or not all(is_face_id(face_id) for face_id in ids):
        raise _bad(
            f"person {person.person_id!r} repeats a face id, or has one that is not 1 to {MAX_FACE_ID} printable ASCII"
        )
    # Written so that it is refused for NaN too.
    if not all(0 <= face.quality <= 1 for face in person.faces):
        raise _bad(f"a face of person {person.person_id!r} has a quality outside 0 to 1")
    if len(one.embeddings) != len(ids):
        raise _bad(f"person {person.person_id!r} has {len(ids)} faces, but {len(one.embeddings)} embeddings")
    vectors = [_vector(person.person_id, content, dimension) for content in one.embeddings]
    return _Comer(replace(person, tags=check_tags(person.tags)), dict(zip(ids, vectors, strict=True)))


def _vector(person_id: str, content: bytes, dimension: int) -> Vector:
    if len(content) == 4 * dimension:
        vector = np.frombuffer(content, "<f4").astype(np.float32)
        # Written so that it is false for NaN too.
        if abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) <= UNIT_WITHIN:
            return vector
    raise _bad(f"an embedding of person {person_id!r} is not {dimension} numbers of unit length")


def _other_model(gallery: Gallery, sha256: str) -> FailedPrecondition:
    message = (
        f"gallery {gallery.name!r} was made by {gallery.model.name}:{gallery.model.version} "
        f"({gallery.model.sha256[:12]}…), the embeddings by another model ({sha256[:12] or 'not named'}…)"
    )
    facts = {"gallery_model_sha256": gallery.model.sha256, "model_sha256": sha256}
    return FailedPrecondition("MODEL_MISMATCH", message, facts)


def _bad(message: str) -> InvalidArgument:
    return InvalidArgument("BAD_ARGUMENT", message, {"field": "people"})
