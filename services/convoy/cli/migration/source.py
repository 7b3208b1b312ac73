"""What a source gives: people, their photos, and what of it cannot come over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convoy.client.answers.common import Box

COLUMNS = ("photo", "name", "person_id", "reason", "message")


@dataclass(frozen=True)
class Photo:
    """A photo of a person. face_id: the id that it has there and gets here; empty for one made of its content.

    read: gives the file's bytes; raises OSError or InvalidArgument. box_of: the face that is meant, from the bytes.
    label: what the photo is called on record, and in the report.
    """

    label: str
    read: Callable[[], bytes]
    face_id: str = ""
    box_of: Callable[[bytes], Box] | None = None


@dataclass(frozen=True)
class Somebody:
    """A person there, with a name. person_id: if the source says which id the person gets, else made of the name."""

    name: str
    photos: tuple[Photo, ...] = ()
    person_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Left:
    """What does not come over, or was refused, and why: a photo, a person, or both."""

    photo: str
    name: str
    person_id: str
    reason: str
    message: str

    def row(self) -> tuple[str, ...]:
        """As a row of the report; see COLUMNS."""
        return self.photo, self.name, self.person_id, self.reason, self.message


@dataclass(frozen=True)
class Source:
    """All that a source has. lost: sentences on what no system can take over from there.

    who: asks the other system who is in a photo; None where it does not run. allow_conflict: its people may be one
    person several times. keeps_empty: its people are people without a photo too.
    """

    people: tuple[Somebody, ...]
    left: tuple[Left, ...] = ()
    lost: tuple[str, ...] = ()
    who: Callable[[bytes], str] | None = None
    allow_conflict: bool = False
    keeps_empty: bool = False

    def counts(self) -> dict[str, Any]:
        """How many people, photos and left out things there are."""
        photos = sum(len(one.photos) for one in self.people)
        return {"people": len(self.people), "photos": photos, "left_out": len(self.left)}
