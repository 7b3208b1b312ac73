"""A registration: what the caller asks, and what becomes of each photo."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import orjson

from convoy.recognition.domain.found_faces import Box, FoundFace
from convoy.recognition.domain.pictures import Picture
from convoy.recognition.domain.records import Person


@dataclass(frozen=True, slots=True)
class Registering:
    """Photos of one person for a gallery; see RegisterRequest in recognition.proto."""

    gallery: str
    person_id: str
    photos: Sequence[Picture]
    display_name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    expire_time_ms: int | None = None
    request_id: str = ""
    add_faces: bool = False
    use_largest_face: bool = False
    allow_identity_conflict: bool = False
    allow_different: bool = False
    any_angle: bool = False
    photo_labels: Sequence[str] = ()
    min_liveness: float | None = None
    face_ids: Sequence[str] = ()
    photo_boxes: Sequence[Box | None] = ()

    def digest(self) -> str:
        """32 hexadecimal digits, the same for the same request whatever its id.

        What has its default is left out, so that a later version, which knows more fields, finds the same. So are the
        labels of photos: they change nothing in who is recognised.
        """
        facts = {
            "person_id": self.person_id,
            "display_name": self.display_name,
            "metadata": dict(self.metadata),
            "tags": sorted(self.tags),
            "expire_time_ms": self.expire_time_ms,
            "add_faces": self.add_faces,
            "use_largest_face": self.use_largest_face,
            "allow_identity_conflict": self.allow_identity_conflict,
            "allow_different": self.allow_different,
            "any_angle": self.any_angle,
            "min_liveness": self.min_liveness,
            "face_ids": list(self.face_ids) if any(self.face_ids) else None,
            "photo_boxes": [box and list(box) for box in self.photo_boxes] if any(self.photo_boxes) else None,
        }
        said = {name: fact for name, fact in facts.items() if fact}
        digest = hashlib.blake2b(orjson.dumps(["Register", said], option=orjson.OPT_SORT_KEYS), digest_size=16)
        for photo in self.photos:
            digest.update(photo.digest())
        return digest.hexdigest()


class Refusal(Enum):
    """Why a photo was refused; the value is the reason that programs read."""

    NO_FACE = "NO_FACE"
    SEVERAL_FACES = "SEVERAL_FACES"
    TOO_SMALL = "TOO_SMALL"
    BLURRED = "BLURRED"
    EXTREME_POSE = "EXTREME_POSE"
    LOW_QUALITY = "LOW_QUALITY"
    DUPLICATE = "DUPLICATE"
    IDENTITY_CONFLICT = "IDENTITY_CONFLICT"
    BAD_IMAGE = "BAD_IMAGE"
    OTHER_PERSON = "OTHER_PERSON"
    TURNED = "TURNED"
    NOT_A_FACE = "NOT_A_FACE"
    SPOOF_SUSPECTED = "SPOOF_SUSPECTED"
    OCCLUDED = "OCCLUDED"


@dataclass(frozen=True, slots=True)
class NearPerson:
    """Another person, and the cosine similarity of their nearest face."""

    person_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """What became of one photo. It was accepted if there is no refusal; then its face has an id.

    message: the refusal in a sentence. conflicting_person_id: with IDENTITY_CONFLICT, whose face it is. nearest: of an
    accepted photo, the other person who is nearest, however far; None when there is nobody else.
    """

    faces: Sequence[FoundFace]
    refusal: Refusal | None = None
    message: str = ""
    face_id: str = ""
    conflicting_person_id: str = ""
    nearest: NearPerson | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer: the person as registered, None when no photo was accepted, and a result for each photo, in order.

    version: that of the gallery which has the change. epoch: in which it counts.
    """

    person: Person | None
    results: Sequence[PhotoResult]
    version: int = 0
    epoch: str = ""
