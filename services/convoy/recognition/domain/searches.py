"""Searches and comparisons: what the caller asks, and the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from convoy.core.names import composed
from convoy.recognition.domain.found_faces import FoundFace, Size
from convoy.recognition.domain.limits import check_range
from convoy.recognition.domain.pictures import AS_USUAL, DetectionOptions, Picture
from convoy.recognition.domain.records import Entry
from convoy.recognition.domain.thresholds import Decision, RateUnit

MATCH_THRESHOLD = "match_threshold"


@dataclass(frozen=True, slots=True)
class Criterion:
    """How sure a match must be. `name` is the API's: match_threshold, or that of a rate of mistakes."""

    name: str
    value: float

    @property
    def match_threshold(self) -> float | None:
        """The similarity that a match must reach; None if the caller gave a rate."""
        return self.value if self.name == MATCH_THRESHOLD else None

    def check(self) -> None:
        """Raise InvalidArgument(BAD_ARGUMENT) for a similarity outside -1 to 1, and for a rate that is not above 0."""
        if self.name == MATCH_THRESHOLD:
            check_range(self.name, self.value, -1, 1)
        else:
            check_range(self.name, self.value, 0, 1, is_low_out=True)


@dataclass(frozen=True, slots=True)
class Search:
    """A picture whose faces are searched in a gallery; see IdentifyRequest in recognition.proto.

    rate_unit, same_occasion: None leaves it to the gallery. min_liveness: None searches any face. is_coarse: the caller
    may not see similarities, so the threshold must hardly follow from what the caller chooses. nearest: how many people
    are named of each face besides, however far they are. allow_no_face: a picture without a face is no error.
    """

    gallery: str
    picture: Picture
    options: DetectionOptions = AS_USUAL
    criterion: Criterion | None = None
    top_k: int = 0
    min_version: int = 0
    epoch: str = ""
    exact: bool = False
    filter: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    rate_unit: RateUnit | None = None
    same_occasion: bool | None = None
    min_liveness: float | None = None
    is_coarse: bool = False
    nearest: int = 0
    allow_no_face: bool = False

    @property
    def entries(self) -> list[Entry]:
        """What a person must have to be found; see Person.entries."""
        facts = ((composed(key), composed(value)) for key, value in self.filter.items())
        return [*facts, *(("", composed(tag)) for tag in self.tags)]


@dataclass(frozen=True, slots=True)
class Match:
    """Somebody who resembles the probe: the person, and the face that is nearest to it."""

    person_id: str
    face_id: str
    similarity: float
    display_name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """One face of the picture, searched; see IdentifiedFace in recognition.proto."""

    face: FoundFace
    decision: Decision
    matches: Sequence[Match]
    match_threshold: float
    expected_false_positive_identification_rate: float
    margin: float
    named_elsewhere: Match | None = None
    spoof_suspected: bool = False
    nearest: Sequence[Match] = ()


@dataclass(frozen=True, slots=True)
class Identified:
    """The answer to a search; see IdentifyResponse in recognition.proto.

    gallery_size: in faces. version: that of the gallery which was searched.
    """

    faces: Sequence[IdentifiedFace]
    image_size: Size
    gallery_size: int
    version: int
    rate_unit: RateUnit
    same_occasion: bool
    expected_false_positive_picture_rate: float
    epoch: str = ""
    beyond_calibration: bool = False


@dataclass(frozen=True, slots=True)
class PersonKey:
    """Somebody in a gallery."""

    gallery: str
    person_id: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A photo that is compared with a person or with another photo; see VerifyRequest in recognition.proto."""

    probe: Picture
    reference: PersonKey | Picture | None
    options: DetectionOptions = AS_USUAL
    criterion: Criterion | None = None
    min_version: int = 0
    epoch: str = ""
    min_liveness: float | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """The answer to a comparison; see VerifyResponse in recognition.proto."""

    is_match: bool
    similarity: float
    match_threshold: float
    expected_false_match_rate: float
    face: FoundFace
    faces_found: int
    reference_face: FoundFace | None = None
    reference_faces_found: int = 0
    beyond_calibration: bool = False


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two people who look like one another, by their two nearest faces; the lesser id comes first."""

    person_id: str
    face_id: str
    other_person_id: str
    other_face_id: str
    similarity: float


class Unlike(Enum):
    """Why a face is listed as disagreeing with its person; see DisagreementReason in recognition.proto."""

    OTHER_PERSON = "OTHER_PERSON"
    SOMEBODY_ELSE = "SOMEBODY_ELSE"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A face that does not resemble the person's others; similarity: to the nearest of them. other: whom it matches."""

    person_id: str
    face_id: str
    reason: Unlike
    similarity: float
    other: Match | None = None


@dataclass(frozen=True, slots=True)
class DisagreementsPage:
    """Faces by person, of a page of people."""

    faces: Sequence[Disagreement]
    next_token: str
