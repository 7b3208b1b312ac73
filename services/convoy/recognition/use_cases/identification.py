"""Who is this? Is this the one? Searches and comparisons."""

import asyncio

import numpy as np

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.serving.messages import check_range
from convoy.core.settings import Settings
from convoy.recognition.domain.face_source import FaceModel, FaceSource, embedding_of, without_embedding
from convoy.recognition.domain.records import Person
from convoy.recognition.domain.thresholds import Decision, comparison_rate, decide, identification_rate
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Replicas
from convoy.recognition.search.index import Hit
from convoy.recognition.search.view import State
from convoy.recognition.use_cases.people import person_not_found
from convoy.v1 import faces_pb2
from convoy.v1 import recognition_pb2 as pb

TOP_K = 5
MAX_TOP_K = 1000
NO_SECOND = 2.0
DECISIONS = {
    Decision.MATCH: pb.DECISION_MATCH,
    Decision.NO_MATCH: pb.DECISION_NO_MATCH,
    Decision.AMBIGUOUS: pb.DECISION_AMBIGUOUS,
}


class Identification:
    """The calls Identify and Verify. Each raises the errors that the API documents."""

    def __init__(self, replicas: Replicas, faces: FaceSource, settings: Settings) -> None:
        self._replicas = replicas
        self._faces = faces
        self._settings = settings

    async def identify(self, request: pb.IdentifyRequest) -> pb.IdentifyResponse:
        """Search every face of a picture."""
        top_k = _check_top_k(request.top_k)
        check_criterion(request)
        gallery = (await self._replicas.state(request.gallery)).gallery
        model, [photo] = await self._faces.embed([request.image], request.options, gallery)
        state = await self._replicas.state(request.gallery, request.min_version)
        model.check_made(state.gallery)
        if not photo.faces:
            raise no_face("the picture")
        entries = [*request.filter.items(), *(("", tag) for tag in request.tags)]
        size = await state.count_faces(entries)
        threshold = self.threshold(request, state, model, size)
        probes = [embedding_of(face) for face in photo.faces]
        searches = (state.search(probe, max(top_k, 2), entries, request.exact) for probe in probes)
        found = await asyncio.gather(*searches)
        people = await state.find_people(list({hit.person_id for hits in found for hit in hits[:top_k]}))
        return pb.IdentifyResponse(
            faces=[
                self._identified(face, hits[:top_k], hits[:2], people, threshold, size, state, model)
                for face, hits in zip(photo.faces, found, strict=True)
            ],
            image_size=photo.image_size,
            gallery_size=await state.count_faces([]) if entries else size,
            version=state.head.version,
        )

    async def verify(self, request: pb.VerifyRequest) -> pb.VerifyResponse:
        """Compare the largest face of a photo with a person, or with that of another photo."""
        check_criterion(request)
        options = faces_pb2.FaceDetectionOptions()
        options.CopyFrom(request.options)
        options.selection = faces_pb2.FACE_SELECTION_LARGEST
        reference = request.WhichOneof("reference")
        if reference is None:
            raise InvalidArgument("BAD_ARGUMENT", "there is no reference; give a person or a photo")
        gallery = (await self._faces_on_record(request))[0].gallery if reference == "person" else None
        images = [request.probe, request.photo] if reference == "photo" else [request.probe]
        model, photos = await self._faces.embed(images, options, gallery)
        for photo, name in zip(photos, ("the probe", "the reference photo"), strict=False):
            if not photo.faces:
                raise no_face(name)
        probe, other = photos[0], photos[1] if reference == "photo" else None
        known = embedding_of(other.faces[0])[None] if other else await self._known(request, model)
        similarity = _best_similarity(embedding_of(probe.faces[0]), known)
        return _verified(request, probe, other, similarity, model)

    async def _faces_on_record(self, request: pb.VerifyRequest) -> tuple[State, Vector]:
        person = request.person
        state = await self._replicas.state(person.gallery, request.min_version)
        vectors = await state.vectors_of(person.person_id)
        if vectors is None:
            raise person_not_found(person.gallery, person.person_id)
        return state, vectors

    async def _known(self, request: pb.VerifyRequest, model: FaceModel) -> Vector:
        state, vectors = await self._faces_on_record(request)
        model.check_made(state.gallery)
        if not len(vectors):
            message = f"person {request.person.person_id!r} has no face on record; register a photo"
            raise FailedPrecondition("NO_FACE", message, {"person_id": request.person.person_id})
        return vectors

    def threshold(
        self, request: pb.IdentifyRequest | pb.FindDuplicatesRequest, state: State, model: FaceModel, size: int
    ) -> float:
        """The similarity that a match must reach among `size` faces."""
        if request.WhichOneof("criterion") == "match_threshold":
            return request.match_threshold
        rate: float | None = state.gallery.policy.false_positive_identification_rate
        if request.WhichOneof("criterion") == "false_positive_identification_rate":
            rate = request.false_positive_identification_rate
        rate = self._settings.false_positive_identification_rate if rate is None else rate
        return model.calibrated().threshold(comparison_rate(rate, size))

    def _identified(
        self,
        face: faces_pb2.Face,
        hits: list[Hit],
        nearest: list[Hit],
        people: dict[str, Person],
        threshold: float,
        size: int,
        state: State,
        model: FaceModel,
    ) -> pb.IdentifiedFace:
        best, second = ([hit.similarity for hit in nearest] + [None, None])[:2]
        margin = state.gallery.policy.ambiguity_margin
        margin = self._settings.ambiguity_margin if margin is None else margin
        rate = model.curve.false_match_rate_at(threshold) if model.curve else 1.0
        return pb.IdentifiedFace(
            face=without_embedding(face),
            decision=DECISIONS[decide(best, second, threshold, margin)],
            matches=[_match(hit, people.get(hit.person_id)) for hit in hits if hit.similarity >= threshold],
            match_threshold=threshold,
            expected_false_positive_identification_rate=identification_rate(rate, size),
            margin=NO_SECOND if best is None or second is None else best - second,
        )


def no_face(where: str) -> FailedPrecondition:
    """The error for a picture without a face."""
    return FailedPrecondition("NO_FACE", f"no face was found in {where}; send a photo that shows one", {"faces": 0})


def _match(hit: Hit, person: Person | None) -> pb.Match:
    return pb.Match(
        person_id=hit.person_id,
        display_name=person.display_name if person else "",
        face_id=hit.face_id,
        similarity=hit.similarity,
        metadata=person.metadata if person else {},
        tags=person.tags if person else (),
    )


def _verified(
    request: pb.VerifyRequest,
    probe: faces_pb2.Faces,
    other: faces_pb2.Faces | None,
    similarity: float,
    model: FaceModel,
) -> pb.VerifyResponse:
    match request.WhichOneof("criterion"):
        case "match_threshold":
            threshold = request.match_threshold
        case "false_match_rate":
            threshold = model.calibrated().threshold(request.false_match_rate)
        case _:
            threshold = model.default_match_threshold
    return pb.VerifyResponse(
        is_match=similarity >= threshold,
        similarity=similarity,
        match_threshold=threshold,
        expected_false_match_rate=model.curve.false_match_rate_at(threshold) if model.curve else 1.0,
        face=without_embedding(probe.faces[0]),
        faces_found=probe.found,
        reference_face=without_embedding(other.faces[0]) if other else None,
        reference_faces_found=other.found if other else 0,
    )


def _best_similarity(probe: Vector, known: Vector) -> float:
    return float(np.clip((known.astype(np.float64) * probe).sum(axis=1).max(), -1, 1))


def _check_top_k(top_k: int) -> int:
    if top_k > MAX_TOP_K:
        raise InvalidArgument("BAD_ARGUMENT", f"top_k is {top_k}; at most {MAX_TOP_K}", {"field": "top_k"})
    return top_k or TOP_K


def check_criterion(request: pb.IdentifyRequest | pb.VerifyRequest | pb.FindDuplicatesRequest) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) unless the threshold or rate is one."""
    criterion = request.WhichOneof("criterion")
    if criterion == "match_threshold":
        check_range(criterion, request.match_threshold, -1, 1)
    elif criterion is not None:
        rate: float = getattr(request, criterion)
        if check_range(criterion, rate, 0, 1) == 0:
            raise InvalidArgument("BAD_ARGUMENT", f"{criterion} is 0; it must lie above 0, up to 1")
