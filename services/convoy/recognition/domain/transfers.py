"""People as they leave one gallery and come to another."""

from collections.abc import Sequence
from dataclasses import dataclass

from convoy.recognition.domain.records import Gallery, Person


@dataclass(frozen=True, slots=True)
class ExportedPerson:
    """A person's record, and the embedding of each face, in order: little-endian float32, unit length."""

    person: Person
    embeddings: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ExportPart:
    """People of an export, by id. gallery: only in the first part. next_page_token: empty in the last part."""

    gallery: Gallery | None
    people: Sequence[ExportedPerson]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class ImportPart:
    """People to take in. model_sha256: the digest of the embedder that made the embeddings."""

    gallery: str
    model_sha256: str
    people: Sequence[ExportedPerson]


@dataclass(frozen=True, slots=True)
class Imported:
    """How many people and faces of a part came, and how many people had every face already or have expired."""

    people_imported: int
    faces_imported: int
    people_unchanged: int
    people_expired: int
    version: int
    epoch: str = ""
