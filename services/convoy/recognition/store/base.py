"""The interface of a store, and what it can answer.

Every change is atomic: records, templates, counters, the gallery's stream and the remembered answer change together or
not at all. Each adds one to the gallery's version, which never falls, not even when a gallery is deleted and made anew.
The stream names who changed, never what a face looks like; whoever follows it reads the new state from the store.
"""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from convoy.core.errors import AlreadyExists, NotFound, ResourceExhausted
from convoy.recognition.domain.records import Change, Gallery, Note, Person

REPEATABLE_S = 24 * 3600
RESENT_S = 60


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes a change safe to repeat: the first answer to an id is remembered and given again.

    Without a caller's id a random one covers the store's own resending after a lost connection.
    """

    request_id: str = ""
    answer: bytes = b""
    key: str = field(init=False)
    lifetime_s: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"caller:{self.request_id}" if self.request_id else secrets.token_hex(8))
        object.__setattr__(self, "lifetime_s", REPEATABLE_S if self.request_id else RESENT_S)


@dataclass(frozen=True, slots=True)
class Committed:
    """A change that is kept, and the answer remembered with it; `repeated`: it was made by an earlier call."""

    version: int
    answer: bytes = b""
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class PersonChange:
    """From one state of a person to the next; None is absence. `templates`: those of the faces that are new, by id."""

    person_id: str
    before: Person | None
    after: Person | None
    templates: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def removed(self) -> list[str]:
        """Ids of the faces that go."""
        if self.before is None:
            return []
        kept = {face.face_id for face in self.after.faces} if self.after else set()
        return [face.face_id for face in self.before.faces if face.face_id not in kept]


@dataclass(frozen=True, slots=True)
class Write:
    """Changes of different people, each with its note, that are made together or not at all; and what they answer.

    at_version: made only on this version of the gallery, since what other people look like mattered too.
    """

    changes: Sequence[tuple[PersonChange, Note]]
    idempotency: Idempotency = field(default_factory=Idempotency)
    at_version: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a gallery's stream stands: its version, and the token of the change that led there."""

    version: int
    token: str


class Conflict(Exception):
    """The record was changed by somebody else since it was read: read it again and decide anew."""


Outcome: TypeAlias = Committed | Conflict | ResourceExhausted
"""What came of a write: it is kept, or why not."""


def made(outcome: Outcome) -> Committed:
    """The write that is kept. Raises what kept it from being made."""
    if isinstance(outcome, Committed):
        return outcome
    raise outcome


class Store(Protocol):
    """Keeps galleries. Every method raises Unavailable(STORE_UNAVAILABLE) when the store cannot be reached."""

    async def ping(self) -> None:
        """Return if the store can be reached."""

    async def close(self) -> None:
        """Let go of connections."""

    async def create_gallery(self, gallery: Gallery, note: Note, idempotency: Idempotency) -> Committed:
        """Keep a new gallery. Raises AlreadyExists(GALLERY_EXISTS)."""

    async def get_gallery(self, name: str) -> Gallery:
        """Raises NotFound(GALLERY_NOT_FOUND)."""

    async def set_alias(self, alias: str, gallery: str) -> None:
        """Let a name stand for a gallery; for none when `gallery` is empty."""

    async def list_aliases(self) -> dict[str, str]:
        """What each alias stands for."""
        ...

    async def list_galleries(self, after: str, limit: int) -> list[Gallery]:
        """Galleries by name, from the first beyond `after`."""

    async def update_gallery(self, before: Gallery, after: Gallery, note: Note) -> Committed:
        """Replace what was chosen for a gallery. Raises NotFound(GALLERY_NOT_FOUND), Conflict."""

    async def delete_gallery(self, name: str, note: Note) -> Gallery:
        """Delete a gallery with all that is in it; gives its last state. Raises NotFound(GALLERY_NOT_FOUND)."""

    async def change_people(self, gallery: Gallery, writes: Sequence[Write]) -> list[Outcome]:
        """Make many writes, one after the other in few round trips, each whole or not at all; gives what came of each.

        A committed write has the version of its last change. A refused one keeps no other from being made. Raises
        NotFound(GALLERY_NOT_FOUND).
        """

    async def change_person(
        self, gallery: Gallery, change: PersonChange, note: Note, idempotency: Idempotency
    ) -> Committed:
        """Make one change. Raises NotFound(GALLERY_NOT_FOUND), Conflict, ResourceExhausted(GALLERY_FULL)."""
        [outcome] = await self.change_people(gallery, [Write([(change, note)], idempotency)])
        return made(outcome)

    async def get_answer(self, gallery: Gallery, request_id: str) -> Committed | None:
        """The first answer to a caller's request id, if it is remembered."""

    async def get_people(self, name: str, person_ids: Sequence[str]) -> list[Person | None]:
        """The records of people, None for those who are not there."""

    async def list_people(self, name: str, after: str, limit: int) -> list[Person]:
        """People by id (in the order of its UTF-8 bytes), from the first beyond `after`."""

    async def list_expired(self, name: str, now_ms: int, limit: int) -> list[str]:
        """Ids of people whose time is over."""

    async def get_templates(self, name: str, faces: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """The templates of (person id, face id), None for those that are not there."""

    async def read_people(
        self, name: str, person_ids: Sequence[str], faces: Sequence[tuple[str, str]]
    ) -> tuple[list[Person | None], list[bytes | None]]:
        """What get_people and get_templates give, in one round trip where the store is elsewhere."""
        return await self.get_people(name, person_ids), await self.get_templates(name, faces)

    def scan_people(self, name: str) -> AsyncIterator[list[tuple[str, bytes]]]:
        """Everybody's id and record, as Person.from_json takes it, in pages.

        Who comes or goes meanwhile may be missed or met twice: the stream tells.
        """

    def scan_templates(self, name: str) -> AsyncIterator[tuple[list[tuple[str, str]], list[bytes]]]:
        """Every face as (person id, face id), and beside it the templates, in pages, with the same caveat."""

    async def get_head(self, name: str) -> Head:
        """Where the stream stands; version 0 when there never was such a gallery."""

    async def read_changes(self, name: str, after: int, wait_s: float) -> list[Change]:
        """The changes beyond version `after`, oldest first; waits so long for one to come."""

    async def list_changes(self, name: str, before: int, limit: int) -> list[Change]:
        """The changes before version `before` (0: from the newest), newest first; deleted galleries keep theirs."""


def gallery_not_found(name: str) -> NotFound:
    """The error for a gallery that is not there."""
    return NotFound("GALLERY_NOT_FOUND", f"there is no gallery named {name!r}", {"gallery": name})


def gallery_exists(name: str) -> AlreadyExists:
    """The error for a name that is taken."""
    return AlreadyExists("GALLERY_EXISTS", f"a gallery named {name!r} is there already", {"gallery": name})


def gallery_full(name: str, what: str, most: int) -> ResourceExhausted:
    """The error for a gallery that has reached its limit; what: people or faces."""
    message = f"gallery {name!r} holds as many {what} as its policy allows ({most}); raise max_{what} or delete some"
    return ResourceExhausted("GALLERY_FULL", message, 60.0, {"gallery": name, f"max_{what}": most})
