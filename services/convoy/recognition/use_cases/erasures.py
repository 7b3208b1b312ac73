"""What was erased after a backup was made: found in the audit of the data that a restore replaces, and erased again.

The audit tells of deleted, expired and merged people, deleted faces and deleted galleries. Where that data is lost, an
optional journal outside of the store has the same.
"""

import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from convoy.core.errors import NotFound, Unavailable
from convoy.recognition.domain.caller import now_ms
from convoy.recognition.domain.records import Change, Gallery, Note, Person
from convoy.recognition.store.base import UNREADABLE, Idempotency, PersonChange, Store, Write, made

PAGE = 500
OF_PEOPLE = ("DeletePerson", "Expire", "EraseAgain")
# Clocks of replicas differ: what was erased so shortly before the backup's last change is looked at too.
MARGIN_MS = 10_000
MOVED = re.compile(r"is (\S+) now")
"""What the audit says of a person who goes on under another id."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person, a gallery (no person_id), or faces of a person that were erased.

    version: of the gallery by which they were gone; 0 from a journal. faces: those that were erased, or None for the
    whole person. kept: the person's faces afterwards, where the audit does not name those that were erased. moved_to:
    nobody was erased; the person has this id since.
    """

    gallery: str
    time_ms: int
    person_id: str = ""
    version: int = 0
    faces: tuple[str, ...] | None = None
    kept: tuple[str, ...] | None = None
    moved_to: str = ""

    def to_json(self) -> str:
        """A line of a list or journal: ids and times alone."""
        return json.dumps({name: fact for name, fact in asdict(self).items() if fact not in ("", 0, None)})

    @classmethod
    def from_json(cls, line: str) -> "Erasure":
        """The inverse of to_json. Facts of a later version are passed over."""
        facts = json.loads(line)
        faces, kept = (tuple(facts[name]) if name in facts else None for name in ("faces", "kept"))
        person_id, version = facts.get("person_id", ""), facts.get("version", 0)
        return cls(facts["gallery"], facts["time_ms"], person_id, version, faces, kept, facts.get("moved_to", ""))

    def goes_from(self, person: Person) -> Person | None:
        """What is left of the person, as a backup has it, after this erasure."""
        if self.faces is None and self.kept is None:
            return None
        erased = set(self.faces or ())
        faces = tuple(
            face
            for face in person.faces
            if face.face_id not in erased
            and (self.kept is None or face.face_id in self.kept or face.create_time_ms > self.time_ms)
        )
        return replace(person, faces=faces)


async def list_erasures(store: Store) -> AsyncIterator[Erasure]:
    """Everything that the audit says was erased, of galleries that are there or were."""
    name = ""
    while names := await store.list_names(name, PAGE):
        for name in names:
            before, ids = 0, _Ids()
            while changes := await store.list_changes(name, before, PAGE):
                before = changes[-1].version
                for change in changes:
                    if (erasure := await _of_change(store, name, change, ids)) is not None:
                        yield erasure


class _Ids(dict[str, str]):
    """Read backwards through the audit: the id that a person has now, by the one that the person had then."""

    def move(self, then: str, later: str) -> None:
        """Take in that a person went from one id to another."""
        self[then] = self.pop(later, later)


async def _of_change(store: Store, name: str, change: Change, ids: _Ids) -> Erasure | None:
    note = change.note
    found = Erasure(name, note.time_ms, note.person_id, change.version)
    if note.action in OF_PEOPLE or note.action == "DeleteGallery":
        return found
    if note.action == "MergePeople" and " given to " in note.outcome:
        return found
    if note.action == "RenamePerson" and (now := MOVED.fullmatch(note.outcome)):
        ids.move(note.person_id, now[1])
        return replace(found, moved_to=now[1])
    if note.action == "DeleteFace":
        [person] = await store.get_people(name, [ids.get(note.person_id, note.person_id)])
        if person is None or person.create_time_ms > note.time_ms:
            # The person went with the last face, or later; whoever has the id now came anew.
            return found
        return replace(found, kept=tuple(face.face_id for face in person.faces))
    return None


def with_former_ids(erasures: Iterable[Erasure]) -> Iterator[Erasure]:
    """The erasures, and each again under the ids that the person had before: a backup may have them under those.

    A move alone erases nobody: who was renamed since a backup comes back under the old id. Under a former id an erasure
    has time and version of the move: who came under that id afterwards is somebody else, and stays.
    """
    listed = list(erasures)
    came: defaultdict[tuple[str, str], list[tuple[int, str, int]]] = defaultdict(list)
    went: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for move in (one for one in listed if one.moved_to):
        came[move.gallery, move.moved_to].append((move.time_ms, move.person_id, move.version))
        went[move.gallery, move.person_id].append(move.time_ms)
    for erasure in (one for one in listed if not one.moved_to):
        yield erasure
        person_id, until = erasure.person_id, erasure.time_ms
        followed: set[tuple[str, int, str]] = set()
        while arrivals := [
            (time_ms, former, version)
            for time_ms, former, version in came[erasure.gallery, person_id]
            if time_ms <= until and (person_id, time_ms, former) not in followed
        ]:
            since, former, version = max(arrivals)
            followed.add((person_id, since, former))
            if any(since < left < until for left in went[erasure.gallery, person_id]):
                break  # The person had gone on to another id; somebody else was erased.
            yield replace(erasure, person_id=former, time_ms=since, version=version)
            person_id, until = former, since


async def find_again(store: Store, erasures: Iterable[Erasure]) -> AsyncIterator[Erasure]:
    """Those after the store's state whose people, faces or galleries are in it all the same."""
    heads: dict[str, tuple[Gallery, int] | None] = {}
    for erasure in with_former_ids(erasures):
        if erasure.gallery not in heads:
            heads[erasure.gallery] = await _last(store, erasure.gallery)
        last = heads[erasure.gallery]
        if last is None or not _is_later(erasure, *last):
            continue
        if not erasure.person_id:
            if last[0].create_time_ms <= erasure.time_ms:
                yield erasure
            continue
        [person] = await store.get_people(erasure.gallery, [erasure.person_id])
        if person and person.create_time_ms <= erasure.time_ms and erasure.goes_from(person) != person:
            yield erasure


async def erase_again(store: Store, erasure: Erasure) -> None:
    """Erase what find_again found."""
    note = Note("EraseAgain", now_ms(), erasure.person_id, outcome="erased before the backup was restored")
    if not erasure.person_id:
        await store.delete_gallery(erasure.gallery, note)
        return
    gallery = await store.get_gallery(erasure.gallery)
    [person] = await store.get_people(erasure.gallery, [erasure.person_id])
    if person is not None and (left := erasure.goes_from(person)) != person:
        if left is not None:
            # The next restore reads this audit: it must not take the person for erased.
            note = replace(note, action="DeleteFace")
        change = PersonChange(erasure.person_id, person, left)
        [outcome] = await store.change_people(gallery, [Write([(change, note)], Idempotency())])
        made(outcome)


def read_erasures(lines: Iterable[str], tell: Callable[[str], None]) -> Iterator[Erasure]:
    """Lists and journals, one after the other. A line that cannot be read keeps no other from counting; it is told."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield Erasure.from_json(line)
        except (ValueError, KeyError, TypeError, AttributeError):
            tell(f"line {number} of the list of erasures cannot be read, look at it: {line.strip()[:200]!r}")


async def _last(store: Store, name: str) -> tuple[Gallery, int] | None:
    """A gallery of the store, and when it was changed last."""
    try:
        gallery = await store.get_gallery(name)
    except NotFound:
        return None
    except Unavailable as error:
        if error.reason != UNREADABLE:
            raise
        return None
    changes = await store.list_changes(name, 0, 1)
    return gallery, changes[0].note.time_ms if changes else 0


def _is_later(erasure: Erasure, gallery: Gallery, last_ms: int) -> bool:
    return erasure.version > gallery.version or erasure.time_ms > last_ms - MARGIN_MS
