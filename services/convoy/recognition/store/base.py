"""What a store does, and what it can answer.

Every change is atomic: records, templates, counters, the gallery's stream and the remembered answer change together or
not at all. Each change adds one to the gallery's version, which never falls, even when a gallery is deleted and made
anew. The stream names who changed, never what a face looks like; a follower reads the new state from the store.
"""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from convoy.core.errors import AlreadyExists, NotFound, ResourceExhausted, Unavailable
from convoy.recognition.domain.records import Change, Gallery, Note, Person, UnreadableGallery

REPEATABLE_S = 24 * 3600
RESENT_S = 60
UNREADABLE = "GALLERY_UNREADABLE"
"""The reason of Unavailable where the store answers, but not with a gallery."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes a change safe to repeat: the store remembers the first answer to a request id and gives it again.

    Without a caller's id a random one is used: it covers what this process sends again after a lost connection.
    answer: it outlives a person who is deleted, so it holds nothing that describes one. content: a digest of what is
    asked; the same id with another one is another request.
    """

    request_id: str = ""
    answer: bytes = b""
    content: str = ""
    key: str = field(init=False)
    lifetime_s: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"caller:{self.request_id}" if self.request_id else secrets.token_hex(8))
        object.__setattr__(self, "lifetime_s", REPEATABLE_S if self.request_id else RESENT_S)


@dataclass(frozen=True, slots=True)
class Committed:
    """A change that is kept, and the answer remembered with it. repeated: an earlier call made the change.

    content: the digest of what the earlier call asked; empty if a version of Convoy made it that noted none. epoch: in
    which the version counts.
    """

    version: int
    answer: bytes = b""
    repeated: bool = False
    content: str = ""
    epoch: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PersonChange:
    """From one state of a person to the next; None is absence. templates: of the faces that are new, by id.

    labels: of new faces, by id. They lie apart from the record, where version 0.1.0 neither looks nor writes. moved_to:
    the id under which the person goes on, when this change takes the record away.
    """

    person_id: str
    before: Person | None
    after: Person | None
    templates: Mapping[str, bytes] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    moved_to: str = ""

    @property
    def removed(self) -> list[str]:
        """Ids of the faces that the change takes away."""
        if self.before is None:
            return []
        kept = {face.face_id for face in self.after.faces} if self.after else set()
        return [face.face_id for face in self.before.faces if face.face_id not in kept]

    @property
    def erases(self) -> bool:
        """Whether something of a person goes."""
        return self.before is not None and (self.after is None or bool(self.removed))


@dataclass(frozen=True, slots=True)
class Write:
    """Changes of different people, each with its note, that are made together or not at all.

    at_version: the changes are made only on this version of the gallery, if the other people in it mattered too.
    at_epoch: in which that counts; empty for any.
    """

    changes: Sequence[tuple[PersonChange, Note]]
    idempotency: Idempotency = field(default_factory=Idempotency)
    at_version: int | None = None
    at_epoch: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a gallery's stream: its version, and the token of the change that led there.

    epoch: a word of its own for each history of the gallery. It is made anew when history was cut, by a failover or a
    restored backup: the numbers of versions are used again then.
    """

    version: int
    token: str
    epoch: str = ""


NOWHERE = Head(0, "")


@dataclass(frozen=True, slots=True)
class Opened:
    """A gallery as it is at `head`; mended: what of it did not agree with its stream and records, and does now."""

    gallery: Gallery
    head: Head
    mended: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a gallery stands: its head, whether it is there, and when its first person expires, in ms."""

    head: Head
    exists: bool
    first_expiry_ms: float | None = None


class Conflict(Exception):
    """Somebody else has changed the record since it was read: read it again and decide anew."""


Outcome: TypeAlias = Committed | Conflict | ResourceExhausted
"""What came of a write: it is kept, or why not."""


class NotSafe(Unavailable):
    """What was asked is made, but not as safe as every write has to be; outcomes: what came of writes."""

    reply: object = None
    outcomes: Sequence[Outcome] = ()


def made(outcome: Outcome) -> Committed:
    """The write, if it is kept. Raises the outcome otherwise."""
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
        """Raises NotFound(GALLERY_NOT_FOUND), Unavailable(GALLERY_UNREADABLE)."""

    async def set_alias(self, alias: str, gallery: str) -> None:
        """Let a name stand for a gallery, or for none when `gallery` is empty."""

    async def list_aliases(self) -> dict[str, str]:
        """What each alias stands for."""
        ...

    async def list_galleries(self, after: str, limit: int) -> list[Gallery | UnreadableGallery]:
        """At most `limit` galleries by name, from the first after `after`. One that is spoilt spoils no other."""

    async def update_gallery(self, before: Gallery, after: Gallery, note: Note) -> Committed:
        """Replace a gallery's description, policy or data key. Raises NotFound(GALLERY_NOT_FOUND), Conflict."""

    async def delete_gallery(self, name: str, note: Note) -> Gallery:
        """Delete a gallery with everything in it; gives its last state. Raises NotFound(GALLERY_NOT_FOUND)."""

    async def change_people(self, gallery: Gallery, writes: Sequence[Write]) -> list[Outcome]:
        """Make writes one after the other, in few round trips; gives what came of each, in order.

        A committed write has the version of its last change. A refused write does not stop the others. Raises
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
        """The records of people; None for whoever is not there."""

    async def list_people(self, name: str, after: str, limit: int) -> list[Person]:
        """At most `limit` people by the UTF-8 bytes of their ids, from the first after `after`."""

    async def list_expired(self, name: str, now_ms: int, limit: int) -> list[str]:
        """Ids of at most `limit` people who have expired, the earliest first."""

    async def get_templates(self, name: str, faces: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """The templates of faces, given as (person id, face id); None for a face that is not there."""

    async def get_labels(self, name: str, faces: Sequence[tuple[str, str]]) -> list[str]:
        """The labels of faces, given as (person id, face id); empty for a face that has none."""

    async def find_named(self, gallery: Gallery, name: str) -> list[str] | None:
        """Ids of people who have this display name, in any case, and perhaps of some who had it.

        None if the store cannot tell without reading everybody.
        """
        return None

    async def find_owners(self, gallery: Gallery, face_ids: Sequence[str]) -> dict[str, list[str]] | None:
        """Ids of people who have a face of an id, for each id that somebody has, and perhaps of some who had one.

        None if the store cannot tell without reading everybody. For galleries in vector sets.
        """
        return None

    async def read_people(
        self, name: str, person_ids: Sequence[str], faces: Sequence[tuple[str, str]]
    ) -> tuple[list[Person | None], list[bytes | None]]:
        """What get_people and get_templates give, in one round trip if the store is on another machine."""
        return await self.get_people(name, person_ids), await self.get_templates(name, faces)

    def scan_people(self, name: str) -> AsyncIterator[list[tuple[str, bytes]]]:
        """Everybody's id and record, as Person.from_json takes it, in pages.

        The scan may miss, or meet twice, whoever comes or goes meanwhile: the stream tells of them.
        """

    def scan_templates(self, name: str) -> AsyncIterator[tuple[list[tuple[str, str]], list[bytes]]]:
        """Every face as (person id, face id), and the templates in the same order, in pages, with the same limit."""

    async def list_names(self, after: str, limit: int) -> list[str]:
        """At most `limit` names that galleries have or had, in order, from the first after `after`."""

    async def open_gallery(self, name: str, known: Head = NOWHERE) -> Opened:
        """A gallery to be loaded. Makes version and counters agree with stream and records, should they not.

        known: the change up to which the caller has followed it; if history no longer has that, an epoch begins. Raises
        what get_gallery raises.
        """

    async def survey(self, names: Sequence[str]) -> list[Standing]:
        """How each gallery stands, at little cost."""

    def hints(self) -> AsyncIterator[str | None]:
        """The name of each gallery that is changed, by whomever, from the first item on; None now and then.

        A hint may be lost. Raises Unavailable(STORE_UNAVAILABLE) when the store is away: what follows is not told of.
        """

    async def get_head(self, name: str) -> Head:
        """The end of the stream; version 0 if there never was such a gallery."""

    async def read_changes(self, name: str, after: int, wait_s: float) -> list[Change]:
        """The changes after version `after`, oldest first; waits up to `wait_s` for the first, if that is not 0."""

    async def list_changes(self, name: str, before: int, limit: int) -> list[Change]:
        """At most `limit` changes before version `before` (0: from the newest), newest first.

        A deleted gallery keeps its changes.
        """


def gallery_not_found(name: str) -> NotFound:
    """The error for a gallery that is not there."""
    return NotFound("GALLERY_NOT_FOUND", f"there is no gallery named {name!r}", {"gallery": name})


def gallery_unreadable(gallery: UnreadableGallery) -> Unavailable:
    """The error for a gallery whose record is spoilt."""
    message = f"gallery {gallery.name!r} cannot be read ({gallery.problem}); the others are not affected"
    return Unavailable(UNREADABLE, message, {"gallery": gallery.name})


def gallery_exists(name: str) -> AlreadyExists:
    """The error for a name that is taken."""
    return AlreadyExists("GALLERY_EXISTS", f"there already is a gallery named {name!r}", {"gallery": name})


def gallery_full(name: str, what: str, most: int) -> ResourceExhausted:
    """The error for a gallery that has reached its limit; what: people or faces."""
    message = f"gallery {name!r} holds as many {what} as its policy allows ({most}); raise max_{what} or delete some"
    return ResourceExhausted("GALLERY_FULL", message, 60.0, {"gallery": name, f"max_{what}": most})
