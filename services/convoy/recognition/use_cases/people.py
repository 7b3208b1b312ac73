"""People on record: find, change, delete."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from convoy.core.errors import NotFound
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.limits import (
    check_expiry,
    check_metadata,
    check_page_token,
    check_tags,
    check_text,
    page_size,
)
from convoy.recognition.domain.records import Gallery, Note, Person
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.messages import milliseconds, person_message
from convoy.recognition.search.followers import Replicas
from convoy.recognition.store.base import Committed, Outcome, PersonChange, Write, made
from convoy.recognition.store.tries import tried_again
from convoy.v1 import recognition_pb2 as pb

Embeddings: TypeAlias = Mapping[tuple[str, str], Vector]
"""By person id and face id."""


class People:
    """The calls on people, and the one way in which a person is changed."""

    def __init__(self, replicas: Replicas) -> None:
        self._store = replicas.store
        self._replicas = replicas

    async def get(self, request: pb.GetPersonRequest) -> pb.GetPersonResponse:
        """One person."""
        await self._store.get_gallery(request.gallery)
        return pb.GetPersonResponse(person=person_message(await self.find(request.gallery, request.person_id)))

    async def list(self, request: pb.ListPeopleRequest) -> pb.ListPeopleResponse:
        """People by id; the token of a page is its last id."""
        size, now = page_size(request.page_size), now_ms()
        check_page_token(request.page_token)
        await self._store.get_gallery(request.gallery)
        people = await self._store.list_people(request.gallery, request.page_token, size + 1)
        token = people[size - 1].person_id if len(people) > size else ""
        present = [person_message(person) for person in people[:size] if not person.is_expired(now)]
        return pb.ListPeopleResponse(people=present, next_page_token=token)

    async def update(self, request: pb.UpdatePersonRequest) -> pb.UpdatePersonResponse:
        """Change name, metadata, tags or expiry."""
        check_text("display_name", request.display_name)
        person, version = await self._change(request.gallery, request.person_id, "UpdatePerson", _updated(request))
        assert person is not None
        return pb.UpdatePersonResponse(person=person_message(person), version=version)

    async def delete(self, request: pb.DeletePersonRequest) -> pb.DeletePersonResponse:
        """Delete a person with every face."""
        faces = 0

        def nobody(person: Person) -> None:
            nonlocal faces
            faces = len(person.faces)

        _, version = await self._change(request.gallery, request.person_id, "DeletePerson", nobody)
        return pb.DeletePersonResponse(faces_deleted=faces, version=version)

    async def delete_face(self, request: pb.DeleteFaceRequest) -> pb.DeleteFaceResponse:
        """Delete one face; the person stays, if need be without faces."""

        def without(person: Person) -> Person:
            if request.face_id not in [face.face_id for face in person.faces]:
                message = f"person {request.person_id!r} has no face {request.face_id!r}"
                raise NotFound("FACE_NOT_FOUND", message, {"face_id": request.face_id})
            return person.without(request.face_id, now_ms())

        _, version = await self._change(request.gallery, request.person_id, "DeleteFace", without)
        return pb.DeleteFaceResponse(version=version)

    async def expire(self, gallery: Gallery, limit: int) -> int:
        """Delete people whose time is over; gives how many."""
        deleted = 0
        for person_id in await self._store.list_expired(gallery.name, now_ms(), limit):
            [person] = await self._store.get_people(gallery.name, [person_id])
            if person is not None and person.is_expired(now_ms()):
                note = Note("Expire", now_ms(), person_id, outcome=f"{len(person.faces)} faces deleted")
                await self.commit_one(gallery, Write([(PersonChange(person_id, person, None), note)]), {})
                deleted += 1
        return deleted

    async def find(self, gallery: str, person_id: str) -> Person:
        """A person on record. Raises NotFound(PERSON_NOT_FOUND)."""
        [person] = await self._store.get_people(gallery, [person_id])
        if person is None or person.is_expired(now_ms()):
            raise person_not_found(gallery, person_id)
        return person

    async def commit(self, gallery: Gallery, writes: Sequence[Write], embeddings: Embeddings) -> Sequence[Outcome]:
        """Make writes, and let this process's replica have them at once; gives what came of each.

        embeddings: those of the faces that are new.
        """
        outcomes = await self._store.change_people(gallery, writes)
        replica = self._replicas.get(gallery.name)
        for write, outcome in zip(writes, outcomes, strict=True):
            if replica is None or not isinstance(outcome, Committed) or outcome.repeated:
                continue
            for change, _ in write.changes:
                new = {face_id: embeddings[change.person_id, face_id] for face_id in change.templates}
                replica.put(outcome.version, change.person_id, change.after, new)
        return outcomes

    async def commit_one(self, gallery: Gallery, write: Write, embeddings: Embeddings) -> Committed:
        """Make one write. Raises Conflict, ResourceExhausted(GALLERY_FULL)."""
        [outcome] = await self.commit(gallery, [write], embeddings)
        return made(outcome)

    async def _change(
        self, name: str, person_id: str, action: str, change: Callable[[Person], Person | None]
    ) -> tuple[Person | None, int]:
        async def attempt() -> tuple[Person | None, int]:
            gallery = await self._store.get_gallery(name)
            before = await self.find(name, person_id)
            after = change(before)
            gone = len(before.faces) - (len(after.faces) if after else 0)
            note = current_call().note(action, person_id, f"{gone} faces deleted" if gone else "")
            write = Write([(PersonChange(person_id, before, after), note)])
            committed = await self.commit_one(gallery, write, {})
            return after, committed.version

        return await tried_again(attempt)


def person_not_found(gallery: str, person_id: str) -> NotFound:
    """The error for somebody who is not on record."""
    facts = {"gallery": gallery, "person_id": person_id}
    return NotFound("PERSON_NOT_FOUND", f"there is no person {person_id!r} in gallery {gallery!r}", facts)


def _updated(request: pb.UpdatePersonRequest) -> Callable[[Person], Person]:
    def update(person: Person) -> Person:
        metadata = {key: value for key, value in {**person.metadata, **request.metadata}.items() if value}
        check_metadata(metadata)
        tags = check_tags((set(person.tags) | set(request.add_tags)) - set(request.remove_tags))
        after = replace(person, metadata=metadata, tags=tags, update_time_ms=now_ms())
        if request.HasField("display_name"):
            after = replace(after, display_name=request.display_name)
        if request.HasField("expire_time"):
            # The beginning of time stands for its end: a field that is not set says "as it was".
            expires = milliseconds(request.expire_time, "expire_time")
            after = replace(after, expire_time_ms=check_expiry(expires, now_ms()) if expires else None)
        return after

    return update
