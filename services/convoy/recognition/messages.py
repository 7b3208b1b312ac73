"""Answers of the API: domain values as protobuf messages."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from google.protobuf.timestamp_pb2 import Timestamp

from convoy.recognition.domain.growth import Fit, Limits
from convoy.recognition.domain.records import Change, Face, Gallery, Person, UnreadableGallery, VectorSets
from convoy.recognition.domain.registrations import NearPerson, PhotoResult, Registered
from convoy.recognition.domain.searches import Compared, Disagreement, Duplicate, Identified, IdentifiedFace, Match
from convoy.recognition.domain.thresholds import Decision
from convoy.recognition.domain.transfers import ExportPart, Imported
from convoy.recognition.face_messages import face_message, size_message
from convoy.recognition.store.base import Committed
from convoy.v1 import common_pb2
from convoy.v1 import recognition_pb2 as pb

QUANTIZATIONS = {"NOQUANT": pb.QUANTIZATION_NONE, "Q8": pb.QUANTIZATION_Q8}
RATE_UNITS = {"picture": pb.RATE_UNIT_PICTURE, "face": pb.RATE_UNIT_FACE}
FITS = {
    Fit.UNKNOWN: pb.GALLERY_FIT_UNSPECIFIED,
    Fit.FITS: pb.GALLERY_FIT_FITS,
    Fit.NEARLY_OUTGROWN: pb.GALLERY_FIT_NEARLY_OUTGROWN,
    Fit.OUTGROWN: pb.GALLERY_FIT_OUTGROWN,
}
DECISIONS = {
    Decision.MATCH: pb.DECISION_MATCH,
    Decision.NO_MATCH: pb.DECISION_NO_MATCH,
    Decision.AMBIGUOUS: pb.DECISION_AMBIGUOUS,
}


def gallery_message(gallery: Gallery) -> pb.Gallery:
    """A gallery as callers see it."""
    return pb.Gallery(
        name=gallery.name,
        description=gallery.description,
        model=common_pb2.ModelRef(name=gallery.model.name, version=gallery.model.version),
        model_sha256=gallery.model.sha256,
        policy=pb.GalleryPolicy(
            quality_floor=gallery.policy.quality_floor,
            false_positive_identification_rate=gallery.policy.false_positive_identification_rate,
            ambiguity_margin=gallery.policy.ambiguity_margin,
            max_faces=gallery.policy.max_faces,
            max_people=gallery.policy.max_people,
            rate_unit=RATE_UNITS.get(gallery.policy.rate_unit) if gallery.policy.rate_unit else None,
            same_occasion=gallery.policy.same_occasion,
            average_faces=gallery.policy.average_faces,
        ),
        people_count=gallery.people,
        face_count=gallery.faces,
        version=gallery.version,
        epoch=gallery.epoch,
        create_time=_timestamp(gallery.create_time_ms),
        backend=pb.BACKEND_VECTOR_SETS if gallery.vector_sets else pb.BACKEND_MEMORY,
        vector_sets=_vector_sets_message(gallery.vector_sets) if gallery.vector_sets else None,
    )


def person_message(person: Person, labels: Mapping[str, str] = MappingProxyType({})) -> pb.Person:
    """A person as callers see it: never an embedding. labels: by face id."""
    faces = [face_record_message(face, labels.get(face.face_id, "")) for face in person.faces]
    return pb.Person(
        person_id=person.person_id,
        display_name=person.display_name,
        metadata=person.metadata,
        faces=faces,
        create_time=_timestamp(person.create_time_ms),
        update_time=_timestamp(person.update_time_ms),
        expire_time=None if person.expire_time_ms is None else _timestamp(person.expire_time_ms),
        tags=person.tags,
    )


def face_record_message(face: Face, label: str = "") -> pb.FaceRecord:
    """A face on record."""
    created = _timestamp(face.create_time_ms)
    return pb.FaceRecord(face_id=face.face_id, quality=face.quality, create_time=created, label=label)


def galleries_message(entries: Iterable[Gallery | UnreadableGallery], next_token: str) -> pb.ListGalleriesResponse:
    """A page of galleries, those that cannot be read apart."""
    answer = pb.ListGalleriesResponse(next_page_token=next_token)
    for one in entries:
        if isinstance(one, UnreadableGallery):
            answer.unreadable.add(gallery=one.name, problem=one.problem)
        else:
            answer.galleries.append(gallery_message(one))
    return answer


def registered_message(registered: Registered) -> pb.RegisterResponse:
    """What became of a registration."""
    return pb.RegisterResponse(
        person=person_message(registered.person) if registered.person else None,
        results=map(_photo_message, registered.results),
        version=registered.version,
        epoch=registered.epoch,
    )


def remembered(registered: Registered) -> pb.RegisterResponse:
    """What is kept of an answer for a request that comes again. It outlives the person, so it describes nobody."""
    return pb.RegisterResponse(results=(_photo_message(replace(one, nearest=None)) for one in registered.results))


def repeated_message(first: Committed, person: Person) -> pb.RegisterResponse:
    """What an earlier call with the same request id was answered, with the person as on record now."""
    answer = pb.RegisterResponse.FromString(first.answer)
    answer.person.CopyFrom(person_message(person))
    answer.version, answer.epoch = first.version, first.epoch
    return answer


def identified_message(identified: Identified) -> pb.IdentifyResponse:
    """Who was found."""
    return pb.IdentifyResponse(
        faces=map(_identified_face_message, identified.faces),
        image_size=size_message(identified.image_size),
        gallery_size=identified.gallery_size,
        version=identified.version,
        epoch=identified.epoch,
        rate_unit=RATE_UNITS[identified.rate_unit],
        same_occasion=identified.same_occasion,
        expected_false_positive_picture_rate=identified.expected_false_positive_picture_rate,
        beyond_calibration=identified.beyond_calibration,
    )


def compared_message(compared: Compared) -> pb.VerifyResponse:
    """Whether the two are one person."""
    return pb.VerifyResponse(
        is_match=compared.is_match,
        similarity=compared.similarity,
        match_threshold=compared.match_threshold,
        expected_false_match_rate=compared.expected_false_match_rate,
        face=face_message(compared.face),
        faces_found=compared.faces_found,
        reference_face=face_message(compared.reference_face) if compared.reference_face else None,
        reference_faces_found=compared.reference_faces_found,
        beyond_calibration=compared.beyond_calibration,
    )


def duplicate_message(pair: Duplicate) -> pb.Duplicate:
    """Two people who look like one another."""
    return pb.Duplicate(
        person_id=pair.person_id,
        face_id=pair.face_id,
        other_person_id=pair.other_person_id,
        other_face_id=pair.other_face_id,
        similarity=pair.similarity,
    )


def limits_message(limits: Limits) -> pb.GalleryLimits:
    """What a gallery's size means."""
    return pb.GalleryLimits(
        fit=FITS[limits.fit],
        expected_miss_rate=limits.expected_miss_rate,
        false_positive_identification_rate=limits.false_positive_identification_rate,
        miss_rate_limit=limits.miss_rate_limit,
        outgrown_at_faces=limits.outgrown_at_faces,
        genuine_pairs=limits.genuine.pairs if limits.genuine else 0,
        genuine_dataset=limits.genuine.dataset if limits.genuine else "",
        unknown_because=limits.unknown_because,
    )


def disagreement_message(face: Disagreement) -> pb.Disagreement:
    """A face that does not resemble its person's others."""
    other = face.other
    return pb.Disagreement(
        person_id=face.person_id,
        face_id=face.face_id,
        reason=pb.DisagreementReason.Value(f"DISAGREEMENT_REASON_{face.reason.value}"),
        similarity=face.similarity,
        other_person_id=other.person_id if other else "",
        other_face_id=other.face_id if other else "",
        other_similarity=other.similarity if other else 0.0,
    )


def export_message(part: ExportPart) -> pb.ExportGalleryResponse:
    """A part of an export; the only message with embeddings in it."""
    people = [pb.ExportedPerson(person=person_message(one.person), embeddings=one.embeddings) for one in part.people]
    gallery = gallery_message(part.gallery) if part.gallery else None
    return pb.ExportGalleryResponse(gallery=gallery, people=people, next_page_token=part.next_page_token)


def imported_message(imported: Imported) -> pb.ImportGalleryResponse:
    """What became of a part of an import."""
    return pb.ImportGalleryResponse(
        people_imported=imported.people_imported,
        faces_imported=imported.faces_imported,
        people_unchanged=imported.people_unchanged,
        people_expired=imported.people_expired,
        version=imported.version,
        epoch=imported.epoch,
    )


def audit_message(change: Change) -> pb.AuditEvent:
    """A change as the audit tells it."""
    return pb.AuditEvent(
        time=_timestamp(change.note.time_ms),
        actor=change.note.actor,
        action=change.note.action,
        person_id=change.note.person_id,
        outcome=change.note.outcome,
        request_id=change.note.request_id,
        version=change.version,
    )


def _vector_sets_message(sets: VectorSets) -> pb.VectorSets:
    quantization = QUANTIZATIONS.get(sets.quantization, pb.QUANTIZATION_UNSPECIFIED)
    return pb.VectorSets(shards=sets.shards, quantization=quantization, search_effort=sets.search_effort)


def _photo_message(result: PhotoResult) -> pb.PhotoResult:
    refusal = f"PHOTO_REFUSAL_{result.refusal.value}" if result.refusal else "PHOTO_REFUSAL_UNSPECIFIED"
    return pb.PhotoResult(
        accepted=result.refusal is None,
        face_id=result.face_id,
        refusal=pb.PhotoRefusal.Value(refusal),
        message=result.message,
        faces=map(face_message, result.faces),
        conflicting_person_id=result.conflicting_person_id,
        nearest=_near_message(result.nearest) if result.nearest else None,
    )


def _near_message(near: NearPerson) -> pb.NearPerson:
    return pb.NearPerson(person_id=near.person_id, similarity=near.similarity)


def _identified_face_message(identified: IdentifiedFace) -> pb.IdentifiedFace:
    return pb.IdentifiedFace(
        face=face_message(identified.face),
        decision=DECISIONS[identified.decision],
        matches=map(_match_message, identified.matches),
        match_threshold=identified.match_threshold,
        expected_false_positive_identification_rate=identified.expected_false_positive_identification_rate,
        margin=identified.margin,
        no_match_reason=_no_match_reason(identified),
        named_elsewhere=_match_message(identified.named_elsewhere) if identified.named_elsewhere else None,
        nearest=map(_match_message, identified.nearest),
    )


def _no_match_reason(identified: IdentifiedFace) -> pb.NoMatchReason.ValueType:
    if identified.decision is not Decision.NO_MATCH:
        return pb.NO_MATCH_REASON_UNSPECIFIED
    if identified.spoof_suspected:
        return pb.NO_MATCH_REASON_SPOOF_SUSPECTED
    return pb.NO_MATCH_REASON_NAMED_ELSEWHERE if identified.named_elsewhere else pb.NO_MATCH_REASON_UNKNOWN


def _match_message(match: Match) -> pb.Match:
    return pb.Match(
        person_id=match.person_id,
        display_name=match.display_name,
        face_id=match.face_id,
        similarity=match.similarity,
        metadata=match.metadata,
        tags=match.tags,
    )


def _timestamp(time_ms: int) -> Timestamp:
    """A time as the API writes it."""
    return Timestamp(seconds=time_ms // 1000, nanos=time_ms % 1000 * 1_000_000)
