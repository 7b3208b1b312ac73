"""Answers of recognition to pictures: what register, identify and verify return."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import Size, read_size
from convoy.client.answers.faces import Face, read_face
from convoy.client.answers.galleries import read_rate_unit
from convoy.client.answers.people import Person, read_person
from convoy.v1 import recognition_pb2


class Decision(StrEnum):
    """The result of a search: the first match is the person, nobody is, or two people are too close to tell apart."""

    MATCH = "MATCH"
    NO_MATCH = "NO_MATCH"
    AMBIGUOUS = "AMBIGUOUS"


@dataclass(frozen=True)
class NearPerson(Answer):
    """Another person, and the cosine similarity of their nearest face, -1 to 1."""

    person_id: str
    similarity: float


@dataclass(frozen=True)
class PhotoResult(Answer):
    """What happened to one photo. refusal: empty, or for example NO_FACE; message: why, with a hint.

    nearest: of an accepted photo, the other person who is nearest, however far; None without the scope `scores`, when
    nobody else is in the gallery, and from a service that is older than the field.
    """

    accepted: bool
    face_id: str
    refusal: str
    message: str
    faces: tuple[Face, ...]
    conflicting_person_id: str
    nearest: NearPerson | None = None


@dataclass(frozen=True)
class Registration(Answer):
    """The person as it is now (None if no photo was accepted), and one result for each photo, in order."""

    person: Person | None
    results: tuple[PhotoResult, ...]
    version: int
    epoch: str = ""


@dataclass(frozen=True)
class Match(Answer):
    """A person whose similarity to the probe reaches the threshold; similarity is a cosine, -1 to 1."""

    person_id: str
    display_name: str
    face_id: str
    similarity: float
    metadata: dict[str, str]
    tags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call the person."""
        return self.display_name or self.person_id


@dataclass(frozen=True)
class IdentifiedFace(Answer):
    """One face of the picture, and what the search found. Matches best first; margin is 2 without a second person.

    no_match_reason: empty, UNKNOWN, SPOOF_SUSPECTED if it has less than min_liveness, or NAMED_ELSEWHERE if other faces
    of the picture are closer to everybody whom it resembles; named_elsewhere: the nearest of those. nearest: the people
    whom the caller asked to see however far they are; none of them is thereby said to be this face.
    """

    face: Face
    decision: Decision
    matches: tuple[Match, ...]
    match_threshold: float
    expected_false_positive_identification_rate: float
    margin: float
    no_match_reason: str = ""
    named_elsewhere: Match | None = None
    nearest: tuple[Match, ...] = ()

    @property
    def person(self) -> Match | None:
        """Who it is, or None unless the decision is MATCH."""
        return self.matches[0] if self.decision is Decision.MATCH else None


@dataclass(frozen=True)
class Identification(Answer):
    """Who is in a picture, largest face first; gallery_size counts the faces that were searched.

    rate_unit: picture or face, of which the rate was one; expected_false_positive_picture_rate: the chance that anybody
    is named in a picture that shows as many strangers. Both are None from a service that is older than they are.
    beyond_calibration: the threshold is above all that the calibration measured, and the expected rates upper bounds.
    """

    faces: tuple[IdentifiedFace, ...]
    image_size: Size
    gallery_size: int
    version: int
    rate_unit: str | None = None
    same_occasion: bool = False
    expected_false_positive_picture_rate: float | None = None
    epoch: str = ""
    beyond_calibration: bool = False

    def __iter__(self) -> Iterator[IdentifiedFace]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True)
class Verification(Answer):
    """Whether a face is of a given person; similarity is a cosine, -1 to 1.

    face: the largest of `faces_found` in the probe; reference_face: the same of a reference photo, None for a person.
    beyond_calibration: the threshold is above all that the calibration measured, and the expected rate an upper bound.
    """

    is_match: bool
    similarity: float
    match_threshold: float
    expected_false_match_rate: float
    face: Face
    faces_found: int
    reference_face: Face | None = None
    reference_faces_found: int = 0
    beyond_calibration: bool = False


def read_registration(response: recognition_pb2.RegisterResponse) -> Registration:
    """Read the answer to register."""
    return Registration(
        read_person(response.person) if response.HasField("person") else None,
        tuple(map(_read_photo, response.results)),
        response.version,
        response.epoch,
    )


def read_identification(response: recognition_pb2.IdentifyResponse) -> Identification:
    """Read the answer to identify."""
    return Identification(
        tuple(map(_read_identified, response.faces)),
        read_size(response.image_size),
        response.gallery_size,
        response.version,
        (unit := read_rate_unit(response.rate_unit)),
        response.same_occasion,
        response.expected_false_positive_picture_rate if unit else None,
        response.epoch,
        response.beyond_calibration,
    )


def read_verification(response: recognition_pb2.VerifyResponse) -> Verification:
    """Read the answer to verify."""
    return Verification(
        response.is_match,
        response.similarity,
        response.match_threshold,
        response.expected_false_match_rate,
        read_face(response.face),
        response.faces_found,
        read_face(response.reference_face) if response.HasField("reference_face") else None,
        response.reference_faces_found,
        response.beyond_calibration,
    )


def _read_photo(message: recognition_pb2.PhotoResult) -> PhotoResult:
    refusal = recognition_pb2.PhotoRefusal.Name(message.refusal).removeprefix("PHOTO_REFUSAL_")
    return PhotoResult(
        message.accepted,
        message.face_id,
        "" if message.accepted else refusal,
        message.message,
        tuple(map(read_face, message.faces)),
        message.conflicting_person_id,
        NearPerson(message.nearest.person_id, message.nearest.similarity) if message.HasField("nearest") else None,
    )


def _read_identified(message: recognition_pb2.IdentifiedFace) -> IdentifiedFace:
    return IdentifiedFace(
        read_face(message.face),
        Decision(recognition_pb2.Decision.Name(message.decision).removeprefix("DECISION_")),
        tuple(map(_read_match, message.matches)),
        message.match_threshold,
        message.expected_false_positive_identification_rate,
        message.margin,
        recognition_pb2.NoMatchReason.Name(message.no_match_reason).removeprefix("NO_MATCH_REASON_")
        if message.no_match_reason
        else "",
        _read_match(message.named_elsewhere) if message.HasField("named_elsewhere") else None,
        tuple(map(_read_match, message.nearest)),
    )


def _read_match(match: recognition_pb2.Match) -> Match:
    return Match(
        match.person_id,
        match.display_name,
        match.face_id,
        match.similarity,
        dict(match.metadata),
        tuple(match.tags),
    )
