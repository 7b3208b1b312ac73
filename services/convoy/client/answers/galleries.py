"""Answers of recognition about galleries and the people in them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import Model, read_model, read_time
from convoy.v1 import recognition_pb2


@dataclass(frozen=True)
class GalleryPolicy(Answer):
    """What a gallery demands of photos and searches. None means the service's default; a limit of 0 means no limit.

    rate_unit: picture or face, of which the rate is one; same_occasion: people are registered from photos with the same
    camera and light as the pictures that are searched; average_faces: a search also compares with the average of each
    person's faces.
    """

    quality_floor: float | None = None
    false_positive_identification_rate: float | None = None
    ambiguity_margin: float | None = None
    max_faces: int | None = None
    max_people: int | None = None
    rate_unit: str | None = None
    same_occasion: bool | None = None
    average_faces: bool | None = None


@dataclass(frozen=True)
class VectorSets(Answer):
    """The vector sets of Redis 8 in which a gallery is searched. quantization: none or q8; search_effort 0 is 500."""

    shards: int = 1
    quantization: str = "none"
    search_effort: int = 0


@dataclass(frozen=True)
class Gallery(Answer):
    """A set of people, and the face embedder that made its templates."""

    name: str
    description: str
    model: Model
    model_sha256: str
    policy: GalleryPolicy
    people_count: int
    face_count: int
    version: int
    create_time: datetime | None
    vector_sets: VectorSets | None = None


@dataclass(frozen=True)
class GalleryDeletion(Answer):
    """How many people and faces were deleted with a gallery."""

    people_deleted: int
    faces_deleted: int


@dataclass(frozen=True)
class GalleryLimits(Answer):
    """How a gallery's size suits its embedder. fit: unknown, fits, nearly_outgrown or outgrown.

    expected_miss_rate: how often a search for somebody with one face on record is expected not to name them, at
    `false_positive_identification_rate`; outgrown_at_faces: the least size at which that is above `miss_rate_limit`.
    None: unknown, `unknown_because` says why; or an embedder that no gallery outgrows.
    """

    fit: str
    expected_miss_rate: float | None
    false_positive_identification_rate: float
    miss_rate_limit: float
    outgrown_at_faces: int | None
    genuine_pairs: int
    genuine_dataset: str
    unknown_because: str = ""


@dataclass(frozen=True)
class GalleryStatus(Answer):
    """What the store holds, and what the replica that answered searches.

    problem: why the service cannot read the gallery; empty if it can. limits: what its size means; None from a service
    of 0.1.0.
    index_checksum and store_checksum are equal for equal people, faces and templates; store_checksum is empty unless
    you asked to verify. While somebody changes the gallery they may differ.
    """

    store_version: int
    index_version: int
    indexed_faces: int
    index_bytes: int
    index_checksum: str = ""
    store_checksum: str = ""
    problem: str = ""
    limits: GalleryLimits | None = None
    epoch: str = ""


@dataclass(frozen=True)
class FaceRecord(Answer):
    """One face on record, with its quality when it was registered.

    label: the name of its photo, if the caller gave one; get_person alone tells it.
    """

    face_id: str
    quality: float
    create_time: datetime | None
    label: str = ""


@dataclass(frozen=True)
class Person(Answer):
    """A person in a gallery; faces oldest first."""

    person_id: str
    display_name: str
    metadata: dict[str, str]
    faces: tuple[FaceRecord, ...]
    create_time: datetime | None
    update_time: datetime | None
    expire_time: datetime | None
    tags: tuple[str, ...] = ()


class FaceDeletion(int):
    """The version of the gallery that contains the change, as a number.

    faces_left: how many faces the person has now, None from a service of version 0.1.0. Nobody recognises a person
    with none. is_person_deleted: the person went with the last face.
    """

    faces_left: int | None
    is_person_deleted: bool

    def __new__(cls, version: int, faces_left: int | None = None, is_person_deleted: bool = False) -> Self:
        """From what the service said."""
        made = super().__new__(cls, version)
        made.faces_left, made.is_person_deleted = faces_left, is_person_deleted
        return made


@dataclass(frozen=True)
class Duplicate(Answer):
    """Two people who look alike, by their nearest faces; similarity is a cosine, -1 to 1."""

    person_id: str
    face_id: str
    other_person_id: str
    other_face_id: str
    similarity: float


@dataclass(frozen=True)
class Disagreement(Answer):
    """A face that does not resemble its person's others. similarity: cosine to the nearest of those, -1 to 1.

    reason: OTHER_PERSON, SOMEBODY_ELSE (then the other person says who) or UNDECIDED, when no group of the faces is the
    largest.
    """

    person_id: str
    face_id: str
    reason: str
    similarity: float
    other_person_id: str = ""
    other_face_id: str = ""
    other_similarity: float = 0.0


@dataclass(frozen=True)
class Import(Answer):
    """What a part of an import changed, and the version of the gallery that contains it."""

    people_imported: int
    faces_imported: int
    people_unchanged: int
    people_expired: int
    version: int
    epoch: str = ""


@dataclass(frozen=True)
class PersonDeletion(Answer):
    """How many faces were deleted with a person, and the version of the gallery that contains the change."""

    faces_deleted: int
    version: int
    epoch: str = ""


@dataclass(frozen=True)
class AuditEvent(Answer):
    """One change of a gallery, without biometrics."""

    time: datetime | None
    actor: str
    action: str
    person_id: str
    outcome: str
    request_id: str
    version: int


def read_gallery(message: recognition_pb2.Gallery) -> Gallery:
    """One gallery."""
    return Gallery(
        message.name,
        message.description,
        read_model(message.model),
        message.model_sha256,
        _read_policy(message.policy),
        message.people_count,
        message.face_count,
        message.version,
        read_time(message, "create_time"),
        _read_vector_sets(message.vector_sets) if message.HasField("vector_sets") else None,
    )


def _read_vector_sets(message: recognition_pb2.VectorSets) -> VectorSets:
    quantization = recognition_pb2.Quantization.Name(message.quantization).removeprefix("QUANTIZATION_").lower()
    return VectorSets(message.shards, quantization, message.search_effort)


def read_person(message: recognition_pb2.Person) -> Person:
    """One person."""
    return Person(
        message.person_id,
        message.display_name,
        dict(message.metadata),
        tuple(map(_read_face, message.faces)),
        read_time(message, "create_time"),
        read_time(message, "update_time"),
        read_time(message, "expire_time"),
        tuple(message.tags),
    )


def read_duplicate(message: recognition_pb2.Duplicate) -> Duplicate:
    """One pair."""
    return Duplicate(
        message.person_id, message.face_id, message.other_person_id, message.other_face_id, message.similarity
    )


def read_disagreement(message: recognition_pb2.Disagreement) -> Disagreement:
    """One face."""
    return Disagreement(
        message.person_id,
        message.face_id,
        recognition_pb2.DisagreementReason.Name(message.reason).removeprefix("DISAGREEMENT_REASON_"),
        message.similarity,
        message.other_person_id,
        message.other_face_id,
        message.other_similarity,
    )


def read_import(response: recognition_pb2.ImportGalleryResponse) -> Import:
    """Read the answer to a part of an import."""
    return Import(
        response.people_imported,
        response.faces_imported,
        response.people_unchanged,
        response.people_expired,
        response.version,
        response.epoch,
    )


def read_status(response: recognition_pb2.GetGalleryStatusResponse) -> GalleryStatus:
    """Read the answer to get_gallery_status."""
    return GalleryStatus(
        response.store_version,
        response.index_version,
        response.indexed_faces,
        response.index_bytes,
        response.index_checksum,
        response.store_checksum,
        response.problem,
        _read_limits(response.limits) if response.HasField("limits") else None,
        response.epoch,
    )


def _read_limits(message: recognition_pb2.GalleryLimits) -> GalleryLimits:
    fit = recognition_pb2.GalleryFit.Name(message.fit).removeprefix("GALLERY_FIT_").lower()
    return GalleryLimits(
        "unknown" if fit == "unspecified" else fit,
        message.expected_miss_rate if message.HasField("expected_miss_rate") else None,
        message.false_positive_identification_rate,
        message.miss_rate_limit,
        message.outgrown_at_faces if message.HasField("outgrown_at_faces") else None,
        message.genuine_pairs,
        message.genuine_dataset,
        message.unknown_because,
    )


def read_event(message: recognition_pb2.AuditEvent) -> AuditEvent:
    """One change."""
    return AuditEvent(
        read_time(message, "time"),
        message.actor,
        message.action,
        message.person_id,
        message.outcome,
        message.request_id,
        message.version,
    )


def _read_policy(message: recognition_pb2.GalleryPolicy) -> GalleryPolicy:
    return GalleryPolicy(
        message.quality_floor if message.HasField("quality_floor") else None,
        message.false_positive_identification_rate if message.HasField("false_positive_identification_rate") else None,
        message.ambiguity_margin if message.HasField("ambiguity_margin") else None,
        message.max_faces,
        message.max_people,
        read_rate_unit(message.rate_unit),
        message.same_occasion if message.HasField("same_occasion") else None,
        message.average_faces if message.HasField("average_faces") else None,
    )


def read_rate_unit(unit: recognition_pb2.RateUnit.ValueType) -> str | None:
    """Read what a rate is a rate of: picture or face; None if the message does not say."""
    return recognition_pb2.RateUnit.Name(unit).removeprefix("RATE_UNIT_").lower() if unit else None


def read_face_deletion(message: recognition_pb2.DeleteFaceResponse) -> FaceDeletion:
    """What became of a face's person."""
    left = message.faces_left if message.HasField("faces_left") else None
    return FaceDeletion(message.version, left, message.person_deleted)


def _read_face(message: recognition_pb2.FaceRecord) -> FaceRecord:
    return FaceRecord(message.face_id, message.quality, read_time(message, "create_time"), message.label)
