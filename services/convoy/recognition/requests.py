"""Requests of the API as domain values. The use cases check the values; here only the form is checked."""

import secrets

from google.protobuf.timestamp_pb2 import Timestamp

from convoy.core.errors import InvalidArgument
from convoy.core.names import composed, composed_facts
from convoy.recognition.domain.edits import POLICY_FIELDS, GalleryEdit, NewGallery, NewPerson, PersonEdit, PolicyEdit
from convoy.recognition.domain.face_source import ModelName
from convoy.recognition.domain.found_faces import Box
from convoy.recognition.domain.pictures import Picture
from convoy.recognition.domain.records import Face, Person, VectorSets
from convoy.recognition.domain.registrations import Registering
from convoy.recognition.domain.searches import Comparison, Criterion, PersonKey, Search
from convoy.recognition.domain.thresholds import RateUnit
from convoy.recognition.domain.transfers import ExportedPerson, ImportPart
from convoy.recognition.face_messages import read_options, read_picture
from convoy.v1 import common_pb2
from convoy.v1 import recognition_pb2 as pb

QUANTIZATIONS = {pb.QUANTIZATION_NONE: "NOQUANT", pb.QUANTIZATION_Q8: "Q8"}
"""How numbers are kept in a vector set: the API's word, and the one that Redis and the records use."""
RATE_UNITS: dict[int, RateUnit | None] = {
    pb.RATE_UNIT_UNSPECIFIED: None,
    pb.RATE_UNIT_PICTURE: RateUnit.PICTURE,
    pb.RATE_UNIT_FACE: RateUnit.FACE,
}
MAX_SHARDS = 1024
SEARCH_EFFORT = 500
MAX_SEARCH_EFFORT = 100_000


def read_new_gallery(request: pb.CreateGalleryRequest) -> NewGallery:
    """A gallery to be made. Raises InvalidArgument(BAD_ARGUMENT) as read_vector_sets does."""
    return NewGallery(
        name=request.gallery,
        description=request.description,
        policy=PolicyEdit(_policy_values(request.policy)),
        vector_sets=read_vector_sets(request),
        model=ModelName(request.model.name, request.model.version) if request.HasField("model") else None,
        request_id=request.request_id,
    )


def read_vector_sets(request: pb.CreateGalleryRequest) -> VectorSets | None:
    """Where a new gallery is to be searched; None for memory. Raises InvalidArgument(BAD_ARGUMENT)."""
    asked = request.vector_sets
    if request.backend != pb.BACKEND_VECTOR_SETS:
        if request.backend not in pb.Backend.values():
            known = ", ".join(name for name, number in pb.Backend.items() if number)
            raise InvalidArgument(
                "BAD_ARGUMENT", f"backend {request.backend} is not known; use {known}", {"field": "backend"}
            )
        if request.HasField("vector_sets"):
            raise InvalidArgument("BAD_ARGUMENT", "vector_sets needs backend BACKEND_VECTOR_SETS", {"field": "backend"})
        return None
    effort = asked.search_effort or SEARCH_EFFORT
    quantization = QUANTIZATIONS.get(asked.quantization or pb.QUANTIZATION_NONE)
    if asked.shards > MAX_SHARDS or effort > MAX_SEARCH_EFFORT or quantization is None:
        message = (
            f"vector_sets takes at most {MAX_SHARDS} shards, a search_effort of at most {MAX_SEARCH_EFFORT}, "
            "and a quantization that the API names"
        )
        raise InvalidArgument("BAD_ARGUMENT", message, {"field": "vector_sets"})
    return VectorSets(secrets.token_hex(4), asked.shards or 1, quantization, effort)


def read_gallery_edit(request: pb.UpdateGalleryRequest) -> GalleryEdit:
    """What is to change of a gallery."""
    description = request.description if request.HasField("description") else None
    policy = PolicyEdit(_policy_values(request.policy), tuple(request.reset_policy_fields))
    return GalleryEdit(request.gallery, description, policy)


def read_registering(request: pb.RegisterRequest) -> Registering:
    """Photos of one person. Raises InvalidArgument(BAD_ARGUMENT) for a bad time."""
    return Registering(
        gallery=request.gallery,
        person_id=request.person_id,
        photos=tuple(map(read_picture, request.photos)),
        display_name=composed(request.display_name),
        metadata=composed_facts(request.metadata),
        tags=tuple(map(composed, request.tags)),
        expire_time_ms=_read_expiry(request),
        request_id=request.request_id,
        add_faces=request.add_faces,
        use_largest_face=request.use_largest_face,
        allow_identity_conflict=request.allow_identity_conflict,
        allow_different=request.allow_different,
        any_angle=request.any_angle,
        photo_labels=tuple(map(composed, request.photo_labels)),
        min_liveness=request.min_liveness if request.HasField("min_liveness") else None,
        face_ids=tuple(request.face_ids),
        photo_boxes=tuple(map(_read_box, request.photo_boxes)),
    )


def read_new_person(request: pb.CreatePersonRequest) -> NewPerson:
    """A person to be made. Raises InvalidArgument(BAD_ARGUMENT) for a bad time."""
    return NewPerson(
        gallery=request.gallery,
        person_id=request.person_id,
        display_name=composed(request.display_name),
        metadata=composed_facts(request.metadata),
        tags=tuple(map(composed, request.tags)),
        expire_time_ms=_read_expiry(request),
        request_id=request.request_id,
    )


def _read_box(box: common_pb2.Box) -> Box | None:
    """A box; None for one without size, which says nothing."""
    edges = Box(box.x_min, box.y_min, box.x_max, box.y_max)
    return edges if any(edges) else None


def read_search(request: pb.IdentifyRequest, is_coarse: bool = False) -> Search:
    """A picture whose faces are to be searched. is_coarse: the caller may not see similarities."""
    return Search(
        gallery=request.gallery,
        picture=read_picture(request.image),
        options=read_options(request.options),
        criterion=read_criterion(request),
        top_k=request.top_k,
        min_version=request.min_version,
        epoch=request.epoch,
        exact=request.exact,
        filter=dict(request.filter),
        tags=tuple(request.tags),
        rate_unit=read_rate_unit(request.rate_unit),
        same_occasion=request.same_occasion if request.HasField("same_occasion") else None,
        min_liveness=request.min_liveness if request.HasField("min_liveness") else None,
        is_coarse=is_coarse,
        nearest=request.nearest,
        allow_no_face=request.allow_no_face,
    )


def read_rate_unit(unit: int) -> RateUnit | None:
    """What a rate is a rate of; None leaves that to the gallery. Raises InvalidArgument(BAD_ARGUMENT)."""
    if unit not in RATE_UNITS:
        raise InvalidArgument("BAD_ARGUMENT", f"rate_unit {unit} is not known", {"field": "rate_unit"})
    return RATE_UNITS[unit]


def read_comparison(request: pb.VerifyRequest) -> Comparison:
    """A photo that is to be compared with a person or another photo."""
    reference: PersonKey | Picture | None = None
    match request.WhichOneof("reference"):
        case "person":
            reference = PersonKey(request.person.gallery, request.person.person_id)
        case "photo":
            reference = read_picture(request.photo)
    return Comparison(
        probe=read_picture(request.probe),
        reference=reference,
        options=read_options(request.options),
        criterion=read_criterion(request),
        min_version=request.min_version,
        epoch=request.epoch,
        min_liveness=request.min_liveness if request.HasField("min_liveness") else None,
    )


def read_criterion(request: pb.IdentifyRequest | pb.VerifyRequest | pb.FindDuplicatesRequest) -> Criterion | None:
    """How sure a match must be; None leaves that to the gallery or the embedder."""
    name = request.WhichOneof("criterion")
    return None if name is None else Criterion(name, getattr(request, name))


def read_person_edit(request: pb.UpdatePersonRequest) -> PersonEdit:
    """What is to change of a person. Raises InvalidArgument(BAD_ARGUMENT) for a bad time."""
    return PersonEdit(
        gallery=request.gallery,
        person_id=request.person_id,
        display_name=composed(request.display_name) if request.HasField("display_name") else None,
        metadata=composed_facts(request.metadata),
        expire_time_ms=_read_expiry(request),
        add_tags=tuple(map(composed, request.add_tags)),
        remove_tags=tuple(map(composed, request.remove_tags)),
    )


def read_import_part(request: pb.ImportGalleryRequest) -> ImportPart:
    """People to take in. Raises InvalidArgument(BAD_ARGUMENT) for a bad time."""
    people = [ExportedPerson(read_person(one.person), tuple(one.embeddings)) for one in request.people]
    return ImportPart(request.gallery, request.model_sha256, people)


def read_person(person: pb.Person) -> Person:
    """A record. Raises InvalidArgument(BAD_ARGUMENT) for a bad time."""
    return Person(
        person_id=person.person_id,
        display_name=person.display_name,
        metadata=dict(person.metadata),
        faces=tuple(Face(f.face_id, f.quality, _milliseconds(f.create_time, "create_time")) for f in person.faces),
        create_time_ms=_milliseconds(person.create_time, "create_time"),
        update_time_ms=_milliseconds(person.update_time, "update_time"),
        expire_time_ms=_read_expiry(person),
        tags=tuple(person.tags),
    )


def _policy_values(policy: pb.GalleryPolicy) -> dict[str, float | str]:
    """The fields that are set, a rate's unit as records have it. Raises InvalidArgument(BAD_ARGUMENT)."""
    values = {name: getattr(policy, name) for name in POLICY_FIELDS if policy.HasField(name)}  # type: ignore[arg-type]
    if (unit := read_rate_unit(values.pop("rate_unit", pb.RATE_UNIT_UNSPECIFIED))) is not None:
        values["rate_unit"] = unit.value
    return values


def _read_expiry(
    message: pb.RegisterRequest | pb.CreatePersonRequest | pb.UpdatePersonRequest | pb.Person,
) -> int | None:
    return _milliseconds(message.expire_time, "expire_time") if message.HasField("expire_time") else None


def _milliseconds(moment: Timestamp, field: str) -> int:
    """A time as records keep it. Raises InvalidArgument(BAD_ARGUMENT) outside the years that the API allows."""
    if not 0 <= moment.nanos < 1_000_000_000 or not 0 <= moment.seconds <= 253_402_300_799:
        raise InvalidArgument("BAD_ARGUMENT", f"{field} must be a time from 1970 to 9999", {"field": field})
    return moment.seconds * 1000 + moment.nanos // 1_000_000
