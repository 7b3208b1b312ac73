"""Registering people from photos."""

import asyncio
import secrets
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from convoy.core.errors import AlreadyExists, ConvoyError, InvalidArgument
from convoy.core.settings import Settings
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.face_source import FaceModel, FaceSource
from convoy.recognition.domain.limits import (
    check_expiry,
    check_metadata,
    check_person_id,
    check_request_id,
    check_tags,
    check_text,
)
from convoy.recognition.domain.records import Face, Gallery, Person
from convoy.recognition.domain.thresholds import comparison_rate
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.messages import milliseconds, person_message
from convoy.recognition.search.followers import Replicas
from convoy.recognition.search.index import Hit
from convoy.recognition.search.view import State
from convoy.recognition.store.base import Committed, PersonChange, Request, Write
from convoy.recognition.store.tries import tried_again
from convoy.recognition.use_cases.people import People
from convoy.recognition.use_cases.photo_rules import Verdict, bad_image, compare, judge, none_accepted
from convoy.v1 import common_pb2, faces_pb2
from convoy.v1 import recognition_pb2 as pb

CONFLICT_RATE = 0.001
"""How often a photo of somebody new may be refused for being like somebody else: a refusal turns a person away, so it
is rarer than a wrong name may be."""


@dataclass(frozen=True, slots=True)
class _Photos:
    """What the face service said of a call's photos."""

    model: FaceModel
    verdicts: list[Verdict]
    bad_images: list[InvalidArgument]


class Registration:
    """The call Register. Raises the errors that the API documents."""

    def __init__(self, replicas: Replicas, people: People, faces: FaceSource, settings: Settings) -> None:
        self._store = replicas.store
        self._replicas = replicas
        self._people = people
        self._faces = faces
        self._settings = settings
        self._writing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def register(self, request: pb.RegisterRequest) -> pb.RegisterResponse:
        """Judge the photos, and keep the person with those that are accepted."""
        self._check(request)
        gallery = await self._store.get_gallery(request.gallery)
        if (repeated := await self._store.get_answer(gallery, request.request_id)) is not None:
            return _first_answer(repeated)
        try:
            return await self._register(request, gallery)
        except ConvoyError:
            # What stands in the way may be the same request, which came twice and was faster the other time.
            if (repeated := await self._store.get_answer(gallery, request.request_id)) is None:
                raise
            return _first_answer(repeated)

    async def _register(self, request: pb.RegisterRequest, gallery: Gallery) -> pb.RegisterResponse:
        _expiry(request)
        await self._present(request)
        photos = await self._look_at(request, gallery)
        # One after the other, or two people with one face would not see each other.
        async with self._writing[gallery.name]:
            return await tried_again(lambda: self._attempt(request, photos))

    def _check(self, request: pb.RegisterRequest) -> None:
        check_person_id(request.person_id)
        check_text("display_name", request.display_name)
        check_metadata(request.metadata)
        check_tags(request.tags)
        check_request_id(request.request_id)
        most = self._settings.max_images_per_call
        if not 1 <= len(request.photos) <= most:
            message = f"{len(request.photos)} photos were sent; 1 to {most} are taken in a call"
            raise InvalidArgument("BAD_ARGUMENT", message, {"field": "photos"})

    async def _present(self, request: pb.RegisterRequest) -> Person | None:
        """The person on record, also when expired. Raises AlreadyExists(PERSON_EXISTS) unless faces may be added."""
        [person] = await self._store.get_people(request.gallery, [request.person_id])
        if person is not None and not person.is_expired(now_ms()) and not request.add_faces:
            facts = {"gallery": request.gallery, "person_id": request.person_id}
            message = f"person {request.person_id!r} is registered already; set add_faces to add photos to the record"
            raise AlreadyExists("PERSON_EXISTS", message, facts)
        return person

    async def _look_at(self, request: pb.RegisterRequest, gallery: Gallery) -> _Photos:
        floor = gallery.policy.quality_floor
        floor = self._settings.quality_floor if floor is None else floor
        seen = await asyncio.gather(*(self._embed(photo, gallery) for photo in request.photos))
        verdicts = [
            bad_image(one) if isinstance(one, InvalidArgument) else judge(one[1], floor, request.use_largest_face)
            for one in seen
        ]
        models = [one[0] for one in seen if not isinstance(one, InvalidArgument)]
        bad_images = [one for one in seen if isinstance(one, InvalidArgument)]
        if not models:
            raise none_accepted([verdict.result for verdict in verdicts], bad_images)
        return _Photos(models[-1], verdicts, bad_images)

    async def _embed(
        self, photo: common_pb2.Image, gallery: Gallery
    ) -> tuple[FaceModel, faces_pb2.Faces] | InvalidArgument:
        """One photo a call: a bad one spoils no other, and the face service batches them anyhow."""
        try:
            model, [faces] = await self._faces.embed([photo], faces_pb2.FaceDetectionOptions(), gallery)
        except InvalidArgument as error:
            return error
        return model, faces

    async def _attempt(self, request: pb.RegisterRequest, photos: _Photos) -> pb.RegisterResponse:
        """Compare with the gallery as it is now, and write."""
        gallery = await self._store.get_gallery(request.gallery)
        photos.model.check_made(gallery)
        before = await self._present(request)
        state = await self._replicas.fresh_state(request.gallery)
        verdicts = await self._compare(request, photos, state)
        results = [verdict.result for verdict in verdicts]
        if not any(result.accepted for result in results):
            raise none_accepted(results, photos.bad_images)
        embeddings = {v.result.face_id: v.embedding for v in verdicts if v.embedding is not None}
        person = _person(request, before, verdicts)
        # Another replica may be registering the same face under another name: then this is decided anew.
        at_version = None if request.allow_identity_conflict else gallery.version
        committed = await self._write(request, gallery, before, person, results, embeddings, at_version)
        if committed.repeated:
            return _first_answer(committed)
        return pb.RegisterResponse(person=person_message(person), results=results, version=committed.version)

    async def _write(
        self,
        request: pb.RegisterRequest,
        gallery: Gallery,
        before: Person | None,
        person: Person,
        results: list[pb.PhotoResult],
        embeddings: dict[str, Vector],
        at_version: int | None,
    ) -> Committed:
        codec = self._replicas.codec_of(gallery)
        templates = {face_id: codec.encode(person.person_id, face_id, vector) for face_id, vector in embeddings.items()}
        change = PersonChange(person.person_id, before, person, templates)
        note = current_call().note("Register", person.person_id, f"{len(templates)} of {len(results)} photos accepted")
        answer = pb.RegisterResponse(person=person_message(person), results=results).SerializeToString()
        write = Write([(change, note)], Request(request.request_id, answer), at_version)
        owned = {(person.person_id, face_id): vector for face_id, vector in embeddings.items()}
        return await self._people.commit_one(gallery, write, owned)

    async def _compare(self, request: pb.RegisterRequest, photos: _Photos, state: State) -> list[Verdict]:
        """The verdicts in the light of the gallery, accepted ones with a face id."""
        known = await state.vectors_of(request.person_id)
        known = np.empty((0, photos.model.model.embedding_size), np.float32) if known is None else known
        verdicts = []
        for verdict in photos.verdicts:
            other = (
                None if request.allow_identity_conflict else await self._somebody_else(request, verdict, photos, state)
            )
            compared = compare(verdict, known, other)
            if compared.embedding is not None:
                known = np.vstack([known, compared.embedding[None]])
                compared.result.face_id = secrets.token_hex(8)
            verdicts.append(compared)
        return verdicts

    async def _somebody_else(
        self, request: pb.RegisterRequest, verdict: Verdict, photos: _Photos, state: State
    ) -> Hit | None:
        """Another person who is so like this face that a mistake is all but ruled out."""
        curve = photos.model.curve
        if verdict.embedding is None or curve is None:
            return None
        threshold = curve.threshold(comparison_rate(CONFLICT_RATE, await state.count_faces([])))
        hits = await state.search(verdict.embedding, 2, [], exact=False)
        others = [hit for hit in hits if hit.person_id != request.person_id]
        return others[0] if others and others[0].similarity >= threshold else None


def _person(request: pb.RegisterRequest, before: Person | None, verdicts: list[Verdict]) -> Person:
    """The record with the accepted faces added; one that has expired counts for nothing."""
    now = now_ms()
    if before is None or before.is_expired(now):
        before = Person(request.person_id, create_time_ms=now)
    faces = tuple(Face(v.result.face_id, v.quality, now) for v in verdicts if v.embedding is not None)
    metadata = {**before.metadata, **request.metadata}
    check_metadata(metadata)
    return replace(
        before,
        display_name=request.display_name or before.display_name,
        metadata=metadata,
        faces=before.faces + faces,
        update_time_ms=now,
        expire_time_ms=_expiry(request) or before.expire_time_ms,
        tags=check_tags((*before.tags, *request.tags)),
    )


def _expiry(request: pb.RegisterRequest) -> int | None:
    if not request.HasField("expire_time"):
        return None
    return check_expiry(milliseconds(request.expire_time, "expire_time"), now_ms())


def _first_answer(committed: Committed) -> pb.RegisterResponse:
    answer = pb.RegisterResponse.FromString(committed.answer)
    answer.version = committed.version
    return answer
