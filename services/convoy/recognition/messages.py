"""Records as messages of the API."""

import secrets
from collections.abc import Iterable
from dataclasses import asdict

from google.protobuf.timestamp_pb2 import Timestamp

from convoy.core.errors import InvalidArgument
from convoy.recognition.domain.records import Change, Gallery, Person, Policy, VectorSets
from convoy.v1 import common_pb2
from convoy.v1 import recognition_pb2 as pb

QUANTIZATIONS = {pb.QUANTIZATION_NONE: "NOQUANT", pb.QUANTIZATION_Q8: "Q8"}
_UNKNOWN = object()
MAX_SHARDS = 1024
SEARCH_EFFORT = 500
MAX_SEARCH_EFFORT = 100_000


def timestamp(time_ms: int) -> Timestamp:
    """A moment as the API writes it."""
    return Timestamp(seconds=time_ms // 1000, nanos=time_ms % 1000 * 1_000_000)


def milliseconds(moment: Timestamp, field: str) -> int:
    """A moment as records keep it. Raises InvalidArgument(BAD_ARGUMENT) when it is none."""
    if not 0 <= moment.nanos < 1_000_000_000 or not 0 <= moment.seconds <= 253_402_300_799:
        raise InvalidArgument("BAD_ARGUMENT", f"{field} is no moment from 1970 to 9999", {"field": field})
    return moment.seconds * 1000 + moment.nanos // 1_000_000


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
        ),
        people_count=gallery.people,
        face_count=gallery.faces,
        version=gallery.version,
        create_time=timestamp(gallery.create_time_ms),
        backend=pb.BACKEND_VECTOR_SETS if gallery.vector_sets else pb.BACKEND_MEMORY,
        vector_sets=_vector_sets_message(gallery.vector_sets) if gallery.vector_sets else None,
    )


def read_vector_sets(request: pb.CreateGalleryRequest) -> VectorSets | None:
    """Where a new gallery is to be searched, None for memory. Raises InvalidArgument(BAD_ARGUMENT)."""
    asked = request.vector_sets
    if request.backend != pb.BACKEND_VECTOR_SETS:
        if request.backend not in pb.Backend.values():
            known = ", ".join(name for name, number in pb.Backend.items() if number)
            raise InvalidArgument("BAD_ARGUMENT", f"backend {request.backend} is none of {known}", {"field": "backend"})
        if request.HasField("vector_sets"):
            raise InvalidArgument("BAD_ARGUMENT", "vector_sets are for BACKEND_VECTOR_SETS", {"field": "backend"})
        return None
    effort = asked.search_effort or SEARCH_EFFORT
    quantization = QUANTIZATIONS.get(asked.quantization or pb.QUANTIZATION_NONE)
    if asked.shards > MAX_SHARDS or effort > MAX_SEARCH_EFFORT or quantization is None:
        message = (
            f"vector_sets: at most {MAX_SHARDS} shards, search_effort {MAX_SEARCH_EFFORT}, a quantization of the list"
        )
        raise InvalidArgument("BAD_ARGUMENT", message, {"field": "vector_sets"})
    return VectorSets(secrets.token_hex(4), asked.shards or 1, quantization, effort)


def _vector_sets_message(sets: VectorSets) -> pb.VectorSets:
    [quantization] = [number for number, name in QUANTIZATIONS.items() if name == sets.quantization]
    return pb.VectorSets(shards=sets.shards, quantization=quantization, search_effort=sets.search_effort)


def reset_policy(before: Policy, fields: Iterable[str]) -> Policy:
    """The policy with some fields as the service has them by default. Raises InvalidArgument(BAD_ARGUMENT)."""
    kept = asdict(before)
    for field in fields:
        if kept.pop(field, _UNKNOWN) is _UNKNOWN:
            raise InvalidArgument("BAD_ARGUMENT", f"{field[:80]!r} is no field of a policy, or is named twice")
    return Policy(**kept)


def read_policy(message: pb.GalleryPolicy, before: Policy) -> Policy:
    """A policy from a request: fields that are not set stay. Raises InvalidArgument(BAD_ARGUMENT)."""

    def chosen(field: str, low: float, high: float) -> float | None:
        if not message.HasField(field):  # type: ignore[arg-type]
            kept: float | None = getattr(before, field)
            return kept
        value: float = getattr(message, field)
        is_rate = field == "false_positive_identification_rate"
        if not low <= value <= high or (is_rate and value == low):
            allowed = f"above {low:g}, up to {high:g}" if is_rate else f"in {low:g} to {high:g}"
            raise InvalidArgument("BAD_ARGUMENT", f"policy.{field} is {value:g}; it must lie {allowed}")
        return value

    return Policy(
        quality_floor=chosen("quality_floor", 0, 1),
        false_positive_identification_rate=chosen("false_positive_identification_rate", 0, 1),
        ambiguity_margin=chosen("ambiguity_margin", 0, 2),
        max_faces=message.max_faces if message.HasField("max_faces") else before.max_faces,
        max_people=message.max_people if message.HasField("max_people") else before.max_people,
    )


def person_message(person: Person) -> pb.Person:
    """A person as callers see it: never an embedding."""
    faces = [
        pb.FaceRecord(face_id=face.face_id, quality=face.quality, create_time=timestamp(face.create_time_ms))
        for face in person.faces
    ]
    return pb.Person(
        person_id=person.person_id,
        display_name=person.display_name,
        metadata=person.metadata,
        faces=faces,
        create_time=timestamp(person.create_time_ms),
        update_time=timestamp(person.update_time_ms),
        expire_time=None if person.expire_time_ms is None else timestamp(person.expire_time_ms),
        tags=person.tags,
    )


def audit_message(change: Change) -> pb.AuditEvent:
    """A change as the audit tells it."""
    return pb.AuditEvent(
        time=timestamp(change.note.time_ms),
        actor=change.note.actor,
        action=change.note.action,
        person_id=change.note.person_id,
        outcome=change.note.outcome,
        request_id=change.note.request_id,
        version=change.version,
    )
