"""Making one person of two."""

import secrets
from dataclasses import replace

from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.limits import check_metadata, check_request_id, check_tags
from convoy.recognition.domain.records import Face, Gallery, Person
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.messages import person_message
from convoy.recognition.search.followers import Replicas
from convoy.recognition.store.base import Committed, Conflict, PersonChange, Request, Write
from convoy.recognition.store.tries import tried_again
from convoy.recognition.use_cases.people import People
from convoy.v1 import recognition_pb2 as pb


class Merging:
    """The call MergePeople. Raises the errors that the API documents."""

    def __init__(self, replicas: Replicas, people: People) -> None:
        self._store = replicas.store
        self._codec_of = replicas.codec_of
        self._people = people

    async def merge(self, request: pb.MergePeopleRequest) -> pb.MergePeopleResponse:
        """Give the faces of the second to the first and delete the second, in one step."""
        check_request_id(request.request_id)
        if request.person_id == request.merged_person_id:
            message = f"person {request.person_id!r} cannot be merged with itself"
            raise InvalidArgument("BAD_ARGUMENT", message, {"field": "merged_person_id"})
        gallery = await self._store.get_gallery(request.gallery)
        if (repeated := await self._store.get_answer(gallery, request.request_id)) is not None:
            return _answer(repeated)
        try:
            return _answer(await tried_again(lambda: self._attempt(request)))
        except ConvoyError:
            # What stands in the way may be the same request, which came twice and was faster the other time.
            if (repeated := await self._store.get_answer(gallery, request.request_id)) is None:
                raise
            return _answer(repeated)

    async def _attempt(self, request: pb.MergePeopleRequest) -> Committed:
        gallery = await self._store.get_gallery(request.gallery)
        first = await self._people.find(gallery.name, request.person_id)
        second = await self._people.find(gallery.name, request.merged_person_id)
        taken = {face.face_id for face in first.faces}
        # A template is sealed for its person and face, so each is opened and sealed anew.
        moved = {
            replace(face, face_id=secrets.token_hex(8) if face.face_id in taken else face.face_id): vector
            for face, vector in (await self._vectors(gallery, second)).items()
        }
        merged = _merged(first, second, moved)
        codec = self._codec_of(gallery)
        templates = {face.face_id: codec.encode(first.person_id, face.face_id, moved[face]) for face in moved}
        answer = pb.MergePeopleResponse(person=person_message(merged)).SerializeToString()
        call, count = current_call(), len(moved)
        kept = call.note("MergePeople", first.person_id, f"{count} faces of {second.person_id} taken over")
        gone = call.note("MergePeople", second.person_id, f"{count} faces given to {first.person_id}")
        # Whoever follows may see the two changes apart: rather both have the faces for a moment than nobody.
        changes = [
            (PersonChange(first.person_id, first, merged, templates), kept),
            (PersonChange(second.person_id, second, None), gone),
        ]
        embeddings = {(first.person_id, face.face_id): vector for face, vector in moved.items()}
        write = Write(changes, Request(request.request_id, answer))
        return await self._people.commit_one(gallery, write, embeddings)

    async def _vectors(self, gallery: Gallery, person: Person) -> dict[Face, Vector]:
        codec, names = self._codec_of(gallery), [(person.person_id, face.face_id) for face in person.faces]
        vectors = {}
        for face, template in zip(person.faces, await self._store.get_templates(gallery.name, names), strict=True):
            if template is None:
                raise Conflict
            vectors[face] = codec.decode(person.person_id, face.face_id, template)
        return vectors


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


def _answer(committed: Committed) -> pb.MergePeopleResponse:
    answer = pb.MergePeopleResponse.FromString(committed.answer)
    answer.version = committed.version
    return answer
