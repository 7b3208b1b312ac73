"""Answers of recognition about the people in a gallery."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import read_time
from convoy.v1 import recognition_pb2


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
    """A person in a gallery; faces oldest first.

    version, epoch: of the gallery that contains the change, if a change was answered with the person; 0 and empty from
    any other call, and from a service of version 0.1.0.
    """

    person_id: str
    display_name: str
    metadata: dict[str, str]
    faces: tuple[FaceRecord, ...]
    create_time: datetime | None
    update_time: datetime | None
    expire_time: datetime | None
    tags: tuple[str, ...] = ()
    version: int = 0
    epoch: str = ""


@dataclass(frozen=True)
class FaceOwner(Answer):
    """A face, and the person whose face it is."""

    face: FaceRecord
    person: Person


class FaceDeletion(int):
    """The version of the gallery that contains the change, as a number.

    faces_left: how many faces the person has now, None from a service of version 0.1.0. Nobody recognises a person
    with none. is_person_deleted: the person went with the last face. epoch: in which the version counts.
    """

    faces_left: int | None
    is_person_deleted: bool
    epoch: str

    def __new__(
        cls, version: int, faces_left: int | None = None, is_person_deleted: bool = False, epoch: str = ""
    ) -> Self:
        """From what the service said."""
        made = super().__new__(cls, version)
        made.faces_left, made.is_person_deleted, made.epoch = faces_left, is_person_deleted, epoch
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


def read_changed_person(
    response: recognition_pb2.CreatePersonResponse
    | recognition_pb2.RenamePersonResponse
    | recognition_pb2.UpdatePersonResponse
    | recognition_pb2.MergePeopleResponse,
) -> Person:
    """One person after a change."""
    return replace(read_person(response.person), version=response.version, epoch=response.epoch)


def read_face_owner(response: recognition_pb2.GetFaceResponse) -> FaceOwner:
    """A face and its person."""
    return FaceOwner(_read_face(response.face), read_person(response.person))


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


def read_face_deletion(message: recognition_pb2.DeleteFaceResponse) -> FaceDeletion:
    """What became of a face's person."""
    left = message.faces_left if message.HasField("faces_left") else None
    return FaceDeletion(message.version, left, message.person_deleted, message.epoch)


def _read_face(message: recognition_pb2.FaceRecord) -> FaceRecord:
    return FaceRecord(message.face_id, message.quality, read_time(message, "create_time"), message.label)
