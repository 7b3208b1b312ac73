"""Answers of recognition about galleries; those about people, which stand in people.py, can be had from here too."""

from dataclasses import dataclass
from datetime import datetime

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import Model, read_model, read_time
from convoy.client.answers.people import (
    Disagreement,
    Duplicate,
    FaceDeletion,
    FaceRecord,
    Import,
    Person,
    PersonDeletion,
)
from convoy.v1 import recognition_pb2

__all__ = ["Disagreement", "Duplicate", "FaceDeletion", "FaceRecord", "Import", "Person", "PersonDeletion"]


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
class UnreadableGallery(Answer):
    """A gallery that is there, but whose record in the store is spoilt; problem: what is wrong, in a few words."""

    name: str
    problem: str


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
