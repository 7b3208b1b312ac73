"""People on record: find, change, delete."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from convoy.core.errors import ConvoyError, NotFound
from convoy.core.names import composed, other_forms
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.edits import PersonEdit
from convoy.recognition.domain.limits import check_expiry, check_metadata, check_tags, check_text
from convoy.recognition.domain.records import Face, Gallery, Note, Person
from convoy.recognition.domain.tasks import to_its_end
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Committed, Conflict, NotSafe, Outcome, PersonChange, Write, made
from convoy.recognition.use_cases.journal import Journal

Embeddings: TypeAlias = Mapping[tuple[str, str], Vector]
"""By person id and face id."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A person after a change, and the version of the gallery that has it."""

    person: Person
    version: int
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class FaceDeleted:
    """The version that has the change, how many faces are left, and whether the person went with the last."""

    version: int
    epoch: str
    faces_left: int
    person_deleted: bool


class People:
    """The calls on people, and the one way in which a person is changed."""

    def __init__(self, followers: Followers, journal: Journal | None = None) -> None:
        self._journal = journal or Journal()
        self._store = followers.store
        self._followers = followers
        self.expired = 0
        """How many people this process has deleted since their time was over."""

    async def get(self, gallery: str, person_id: str) -> Person:
        """One person."""
        await self._store.get_gallery(gallery)
        return await self.find(gallery, person_id)

    async def labels_of(self, gallery: str, person: Person) -> dict[str, str]:
        """The label of each face that has one."""
        faces = [(person.person_id, face.face_id) for face in person.faces]
        labels = await self._store.get_labels(gallery, faces)
        return {face_id: label for (_, face_id), label in zip(faces, labels, strict=True) if label}

    async def vectors_of(self, gallery: Gallery, person: Person) -> dict[Face, Vector]:
        """The vector of each face, in order. Raises Conflict if one has gone since the record was read."""
        codec, names = self._followers.codec_of(gallery), [(person.person_id, face.face_id) for face in person.faces]
        vectors = {}
        for face, template in zip(person.faces, await self._store.get_templates(gallery.name, names), strict=True):
            if template is None:
                raise Conflict
            vectors[face] = codec.decode(person.person_id, face.face_id, template)
        return vectors

    async def update(self, edit: PersonEdit) -> Versioned:
        """Change name, metadata, tags or expiry."""
        check_text("display_name", edit.display_name or "")
        person, committed = await self._change(
            edit.gallery, edit.person_id, "UpdatePerson", lambda person: _edited(person, edit)
        )
        assert person is not None
        return Versioned(person, committed.version, committed.epoch)

    async def delete(self, gallery: str, person_id: str) -> tuple[int, Committed]:
        """Delete a person with every face; gives how many faces, and the change."""
        faces = 0

        def nobody(person: Person) -> None:
            nonlocal faces
            faces = len(person.faces)

        _, committed = await self._change(gallery, person_id, "DeletePerson", nobody)
        return faces, committed

    async def delete_face(self, gallery: str, person_id: str, face_id: str, and_person: bool = False) -> FaceDeleted:
        """Delete one face. and_person: the person too, if it is the last; otherwise the person stays without faces."""

        def without(person: Person) -> Person | None:
            if face_id not in [face.face_id for face in person.faces]:
                message = f"person {person_id!r} has no face {face_id!r}"
                raise NotFound("FACE_NOT_FOUND", message, {"face_id": face_id})
            after = person.without(face_id, now_ms())
            return after if after.faces or not and_person else None

        after, committed = await self._change(gallery, person_id, "DeleteFace", without)
        return FaceDeleted(committed.version, committed.epoch, len(after.faces) if after else 0, after is None)

    async def expire(self, gallery: Gallery, limit: int) -> int:
        """Delete at most `limit` people who have expired; gives how many.

        One whose record cannot be read keeps no other from being deleted. Raises what came of the first such.
        """
        deleted, failures = 0, []
        for person_id in await self._store.list_expired(gallery.name, now_ms(), limit):
            try:
                deleted += await self._expire_one(gallery, person_id)
            except (ConvoyError, Conflict):
                raise
            except Exception as error:
                error.add_note(f"the record of person {person_id!r} cannot be read")
                failures.append(error)
        if failures:
            raise failures[0]
        return deleted

    async def _expire_one(self, gallery: Gallery, person_id: str) -> bool:
        [person] = await self._store.get_people(gallery.name, [person_id])
        if person is None or not person.is_expired(now_ms()):
            return False
        note = Note("Expire", now_ms(), person_id, outcome=f"{len(person.faces)} faces deleted")
        await self.commit_one(gallery, Write([(PersonChange(person_id, person, None), note)]), {})
        self.expired += 1
        return True

    async def id_on_record(self, gallery: str, person_id: str) -> str:
        """The very id that a person has: as given, or in another form of Unicode; for somebody new, the form kept."""
        forms = (person_id, *other_forms(person_id))
        if len(forms) == 1:
            return composed(person_id)
        people = await self._store.get_people(gallery, forms)
        return next((form for form, person in zip(forms, people, strict=True) if person), composed(person_id))

    async def find(self, gallery: str, person_id: str) -> Person:
        """A person on record. Raises NotFound(PERSON_NOT_FOUND)."""
        [person] = await self._store.get_people(gallery, [person_id])
        if person is None or person.is_expired(now_ms()):
            raise person_not_found(gallery, person_id)
        return person

    async def commit(self, gallery: Gallery, writes: Sequence[Write], embeddings: Embeddings) -> Sequence[Outcome]:
        """Make writes, and let this replica's follower have them at once; gives what came of each.

        embeddings: those of the faces that are new. A caller who hangs up does not keep an erasure from the journal.
        """
        committing = self._commit(gallery, writes, embeddings)
        erases = any(change.erases for write in writes for change, _ in write.changes)
        return await (to_its_end(committing) if erases else committing)

    async def _commit(self, gallery: Gallery, writes: Sequence[Write], embeddings: Embeddings) -> Sequence[Outcome]:
        try:
            outcomes = await self._store.change_people(gallery, writes)
        except NotSafe as error:
            # It is made all the same, and nothing is left to erase when the call is repeated.
            await self._journal_made(gallery, writes, error.outcomes)
            raise
        await self._journal_made(gallery, writes, outcomes)
        follower = self._followers.get(gallery.name)
        for write, outcome in zip(writes, outcomes, strict=True):
            if not isinstance(outcome, Committed) or outcome.repeated or follower is None:
                continue
            for change, _ in write.changes:
                new = {face_id: embeddings[change.person_id, face_id] for face_id in change.templates}
                follower.put(outcome.version, change.person_id, change.after, new)
        return outcomes

    async def _journal_made(self, gallery: Gallery, writes: Sequence[Write], outcomes: Sequence[Outcome]) -> None:
        for write, outcome in zip(writes, outcomes, strict=False):
            if isinstance(outcome, Committed) and not outcome.repeated:
                await self._journal.note_changes(gallery.name, [change for change, _ in write.changes])

    async def commit_one(self, gallery: Gallery, write: Write, embeddings: Embeddings) -> Committed:
        """Make one write. Raises Conflict, ResourceExhausted(GALLERY_FULL)."""
        [outcome] = await self.commit(gallery, [write], embeddings)
        return made(outcome)

    async def _change(
        self, name: str, person_id: str, action: str, change: Callable[[Person], Person | None]
    ) -> tuple[Person | None, Committed]:
        async def attempt() -> tuple[Person | None, Committed]:
            gallery = await self._store.get_gallery(name)
            before = await self.find(name, person_id)
            after = change(before)
            gone = len(before.faces) - (len(after.faces) if after else 0)
            note = current_call().note(action, person_id, f"{gone} faces deleted" if gone else "")
            write = Write([(PersonChange(person_id, before, after), note)])
            return after, await self.commit_one(gallery, write, {})

        return await self._followers.turns.tried_again(name, attempt)


def person_not_found(gallery: str, person_id: str) -> NotFound:
    """The error for somebody who is not on record."""
    facts = {"gallery": gallery, "person_id": person_id}
    return NotFound("PERSON_NOT_FOUND", f"there is no person {person_id!r} in gallery {gallery!r}", facts)


def _edited(person: Person, edit: PersonEdit) -> Person:
    # What 0.1.0 kept may be in another form than what is sent; it is the same fact or tag.
    kept = {key: value for key, value in person.metadata.items() if composed(key) not in edit.metadata}
    metadata = {key: value for key, value in {**kept, **edit.metadata}.items() if value}
    check_metadata(metadata)
    tags = check_tags({tag for tag in (*person.tags, *edit.add_tags) if composed(tag) not in edit.remove_tags})
    after = replace(person, metadata=metadata, tags=tags, update_time_ms=now_ms())
    if edit.display_name is not None:
        after = replace(after, display_name=edit.display_name)
    if edit.expire_time_ms is not None:
        expires = check_expiry(edit.expire_time_ms, now_ms()) if edit.expire_time_ms else None
        after = replace(after, expire_time_ms=expires)
    return after
