"""Registering people from photos."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from convoy.core.errors import AlreadyExists, InvalidArgument
from convoy.core.names import composed
from convoy.core.settings import Settings
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.face_source import FaceModel, FaceSource
from convoy.recognition.domain.found_faces import EmbeddedFace
from convoy.recognition.domain.limits import (
    check_boxes,
    check_expiry,
    check_face_ids,
    check_faces,
    check_labels,
    check_metadata,
    check_person_id,
    check_request_id,
    check_tags,
    check_text,
)
from convoy.recognition.domain.liveness import check_min_liveness
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import Face, Gallery, Person
from convoy.recognition.domain.registrations import NearPerson, PhotoResult, Registered, Registering
from convoy.recognition.domain.thresholds import comparison_rate
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Followers
from convoy.recognition.search.index import Hit
from convoy.recognition.search.view import View
from convoy.recognition.store.base import Committed, Idempotency, PersonChange, Write
from convoy.recognition.use_cases.growth import Growth
from convoy.recognition.use_cases.people import People
from convoy.recognition.use_cases.photo_rules import Demands, Verdict, bad_image, judge_photo, none_accepted
from convoy.recognition.use_cases.record_rules import CONFLICT_RATE, compare, refuse_others
from convoy.recognition.use_cases.repetition import Repeated, answered_once

DIGESTED_AT_ONCE = 1 << 18


@dataclass(frozen=True, slots=True)
class _Photos:
    """What the face service said of a call's photos."""

    model: FaceModel
    verdicts: list[Verdict]
    bad_images: list[InvalidArgument]


class Registration:
    """The call Register. It raises the errors that the API documents.

    remember: writes an answer as the bytes that the store keeps, to be given again if the request comes again. They
    outlive the person, so they describe nobody.
    """

    def __init__(
        self,
        followers: Followers,
        people: People,
        faces: FaceSource,
        settings: Settings,
        growth: Growth,
        remember: Callable[[Registered], bytes],
    ) -> None:
        self._store = followers.store
        self._followers = followers
        self._people = people
        self._faces = faces
        self._settings = settings
        self._growth = growth
        self._remember = remember
        self._writing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def register(self, asked: Registering) -> Registered | Repeated:
        """Judge the photos, and keep the person with the photos that are accepted; or the first answer, remembered."""
        self._check(asked)
        gallery = await self._store.get_gallery(asked.gallery)
        request = Idempotency(asked.request_id, content=await _digest(asked) if asked.request_id else "")
        answer = await answered_once(self._store, gallery, request, lambda: self._register(asked, gallery, request))
        if isinstance(answer, Committed):
            return Repeated(answer, await self._people.find(asked.gallery, asked.person_id))
        return answer

    def _check(self, asked: Registering) -> None:
        check_person_id(asked.person_id)
        check_text("display_name", asked.display_name)
        check_metadata(asked.metadata)
        check_tags(asked.tags)
        check_labels(asked.photo_labels, len(asked.photos))
        check_face_ids(asked.face_ids, len(asked.photos))
        check_boxes(asked.photo_boxes, len(asked.photos))
        check_request_id(asked.request_id)
        check_min_liveness(asked.min_liveness)
        most = self._settings.max_images_per_call
        if not 1 <= len(asked.photos) <= most:
            message = f"{len(asked.photos)} photos were sent; 1 to {most} are taken in a call"
            raise InvalidArgument("BAD_ARGUMENT", message, {"field": "photos"})

    async def _register(self, asked: Registering, gallery: Gallery, request: Idempotency) -> Registered | Committed:
        # Not before the first answer was looked for: a request that comes again may come after its time.
        if asked.expire_time_ms is not None:
            check_expiry(asked.expire_time_ms, now_ms())
        # This only spares the face service work for somebody who is there already; the record is read again to decide.
        await self._on_record(asked)
        photos = await self._look_at(asked, gallery)
        # One after the other, or two people with one face would not see each other.
        async with self._writing[gallery.name]:
            return await self._followers.turns.tried_again(asked.gallery, lambda: self._attempt(asked, photos, request))

    async def _on_record(self, asked: Registering) -> Person | None:
        """The person on record, also when expired. Raises AlreadyExists(PERSON_EXISTS) unless faces may be added."""
        [person] = await self._store.get_people(asked.gallery, [asked.person_id])
        # Whose last face was deleted can be registered anew: there is no face that this could be confused with.
        is_protected = person is not None and not person.is_expired(now_ms()) and bool(person.faces)
        if is_protected and not asked.add_faces:
            facts = {"gallery": asked.gallery, "person_id": asked.person_id}
            message = f"person {asked.person_id!r} is registered already; set add_faces to add photos to the record"
            raise AlreadyExists("PERSON_EXISTS", message, facts)
        if person is not None and not person.is_expired(now_ms()):
            _refuse_taken(asked, {face.face_id: [person.person_id] for face in person.faces})
        return person

    async def _look_at(self, asked: Registering, gallery: Gallery) -> _Photos:
        floor = gallery.policy.quality_floor
        floor = self._settings.quality_floor if floor is None else floor
        demands = Demands(
            quality_floor=floor,
            score_floor=self._settings.face_score_floor,
            likeness_floor=self._settings.face_likeness_floor,
            min_liveness=asked.min_liveness,
            use_largest_face=asked.use_largest_face,
            any_angle=asked.any_angle,
        )
        boxes = asked.photo_boxes or [None] * len(asked.photos)
        looking = (
            self._judge(photo, gallery, replace(demands, box=box))
            for photo, box in zip(asked.photos, boxes, strict=True)
        )
        seen = await asyncio.gather(*looking)
        verdicts = [bad_image(one) if isinstance(one, InvalidArgument) else one[1] for one in seen]
        models = [one[0] for one in seen if not isinstance(one, InvalidArgument)]
        bad_images = [one for one in seen if isinstance(one, InvalidArgument)]
        if not models:
            raise none_accepted([verdict.result for verdict in verdicts], bad_images)
        return _Photos(models[-1], verdicts, bad_images)

    async def _judge(
        self, photo: Picture, gallery: Gallery, demands: Demands
    ) -> tuple[FaceModel, Verdict] | InvalidArgument:
        """One photo a call: a bad photo spoils no other, and the face service batches them anyhow."""
        models: list[FaceModel] = []

        async def look(options: DetectionOptions) -> Sequence[EmbeddedFace]:
            model, [picture] = await self._faces.embed([photo], options, gallery)
            models.append(model)
            return picture.faces

        try:
            verdict = await judge_photo(look, demands)
        except InvalidArgument as error:
            return error
        return models[-1], verdict

    async def _attempt(self, asked: Registering, photos: _Photos, request: Idempotency) -> Registered | Committed:
        """Compare with the gallery as it is now, and write."""
        gallery = await self._store.get_gallery(asked.gallery)
        # The gallery may have been deleted and made anew, for another model, while the photos were looked at.
        photos.model.check_made(gallery)
        before = await self._on_record(asked)
        view = await self._followers.fresh_view(asked.gallery)
        if given := [face_id for face_id in asked.face_ids if face_id]:
            _refuse_taken(asked, await view.people_with(given))
        verdicts = await self._compare(asked, photos, view, before)
        results = [verdict.result for verdict in verdicts]
        if all(result.refusal for result in results):
            raise none_accepted(results, photos.bad_images)
        embeddings = {v.result.face_id: v.embedding for v in verdicts if v.embedding is not None}
        person = check_faces(_with_faces(asked, before, verdicts))
        named = zip(results, asked.photo_labels, strict=False)
        labels = {result.face_id: label for result, label in named if result.face_id}
        # Another replica may be registering the same face under another name, or one of these ids: then this is
        # decided anew.
        at_version = None if asked.allow_identity_conflict and not given else gallery.version
        idempotency = replace(request, answer=self._remember(Registered(person, results)))
        committed = await self._write(gallery, before, person, results, embeddings, labels, at_version, idempotency)
        if committed.repeated:
            return committed
        self._growth.judge(gallery, photos.model, gallery.faces + len(embeddings))
        return Registered(person, results, committed.version, committed.epoch)

    async def _write(
        self,
        gallery: Gallery,
        before: Person | None,
        person: Person,
        results: list[PhotoResult],
        embeddings: dict[str, Vector],
        labels: dict[str, str],
        at_version: int | None,
        idempotency: Idempotency,
    ) -> Committed:
        codec = self._followers.codec_of(gallery)
        templates = {face_id: codec.encode(person.person_id, face_id, vector) for face_id, vector in embeddings.items()}
        change = PersonChange(person.person_id, before, person, templates, labels)
        note = current_call().note("Register", person.person_id, f"{len(templates)} of {len(results)} photos accepted")
        owned = {(person.person_id, face_id): vector for face_id, vector in embeddings.items()}
        at_epoch = "" if at_version is None else gallery.epoch
        write = Write([(change, note)], idempotency, at_version, at_epoch)
        return await self._people.commit_one(gallery, write, owned)

    async def _compare(self, asked: Registering, photos: _Photos, view: View, before: Person | None) -> list[Verdict]:
        """The verdicts in the light of the gallery; accepted photos get a face id."""
        known = await view.vectors_of(asked.person_id)
        known = np.empty((0, photos.model.model.embedding_size), np.float32) if known is None else known
        is_known = before is not None and not before.is_expired(now_ms())
        on_record, verdicts = known[: len(known) if is_known else 0], []
        for verdict in photos.verdicts:
            nearest = await _nearest_other(asked, verdict, view)
            is_conflict = not asked.allow_identity_conflict and await _is_surely(nearest, photos, view)
            compared = compare(verdict, known, nearest if is_conflict else None)
            if compared.embedding is not None:
                known = np.vstack([known, compared.embedding[None]])
                near = NearPerson(nearest.person_id, nearest.similarity) if nearest else None
                compared = replace(compared, result=replace(compared.result, nearest=near))
            verdicts.append(compared)
        if not asked.allow_different and photos.model.curve is not None:
            verdicts = refuse_others(verdicts, on_record, photos.model.curve)
        ids = asked.face_ids or [""] * len(verdicts)
        return [_numbered(verdict, face_id) for verdict, face_id in zip(verdicts, ids, strict=True)]


async def _nearest_other(asked: Registering, verdict: Verdict, view: View) -> Hit | None:
    """The person whose face is nearest to this one's, of all but whom it is registered for."""
    if verdict.embedding is None:
        return None
    hits = await view.search(verdict.embedding, 2, [], exact=False)
    return next((hit for hit in hits if hit.person_id != asked.person_id), None)


async def _is_surely(other: Hit | None, photos: _Photos, view: View) -> bool:
    """Whether the face is so like another person's that a mistake is all but ruled out."""
    curve = photos.model.curve
    if other is None or curve is None:
        return False
    return other.similarity >= curve.threshold(comparison_rate(CONFLICT_RATE, await view.count_faces([])))


async def _digest(asked: Registering) -> str:
    """The digest of what is asked; that of large photos is made in a thread."""
    if sum(photo.nbytes for photo in asked.photos) > DIGESTED_AT_ONCE:
        return await asyncio.to_thread(asked.digest)
    return asked.digest()


def _refuse_taken(asked: Registering, people: Mapping[str, Sequence[str]]) -> None:
    """Raise AlreadyExists(FACE_EXISTS) if a face id of the caller's is on record. people: who has it, by face id."""
    for face_id in asked.face_ids:
        if face_id and (owners := people.get(face_id)):
            facts = {"gallery": asked.gallery, "face_id": face_id, "person_id": owners[0]}
            message = f"gallery {asked.gallery!r} has a face {face_id!r}, of person {owners[0]!r}"
            raise AlreadyExists("FACE_EXISTS", message, facts)


def _numbered(verdict: Verdict, face_id: str) -> Verdict:
    """With an id for the face, if it is accepted: the caller's, or a new one."""
    if verdict.embedding is None:
        return verdict
    return replace(verdict, result=replace(verdict.result, face_id=face_id or secrets.token_hex(8)))


def _with_faces(asked: Registering, before: Person | None, verdicts: list[Verdict]) -> Person:
    """The record with the accepted faces added. Nothing stays of a person who has expired."""
    now = now_ms()
    faces = tuple(Face(v.result.face_id, v.quality, now) for v in verdicts if v.embedding is not None)
    tags = tuple(sorted(set(asked.tags)))
    if before is None or before.is_expired(now):
        return Person(asked.person_id, asked.display_name, asked.metadata, faces, now, now, asked.expire_time_ms, tags)
    # What 0.1.0 kept may be in another form than what is sent; it is the same fact or tag.
    kept = {key: value for key, value in before.metadata.items() if composed(key) not in asked.metadata}
    metadata = {**kept, **asked.metadata}
    # Each is good for itself; the two together may be too many.
    check_metadata(metadata)
    return replace(
        before,
        display_name=asked.display_name or before.display_name,
        metadata=metadata,
        faces=before.faces + faces,
        update_time_ms=now,
        expire_time_ms=asked.expire_time_ms or before.expire_time_ms,
        tags=check_tags((*(tag for tag in before.tags if composed(tag) not in tags), *tags)),
    )
