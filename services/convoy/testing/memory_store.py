"""A store in the memory of this process, with which tests compare every other store. It keeps nothing on disk."""

# ruff: noqa: D102 - Store says what the methods do
import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from convoy.recognition.domain.records import Change, Gallery, Note, Person, UnreadableGallery
from convoy.recognition.store.base import (
    NOWHERE,
    Committed,
    Conflict,
    Head,
    Idempotency,
    Opened,
    Outcome,
    PersonChange,
    Standing,
    Store,
    Write,
    gallery_exists,
    gallery_full,
    gallery_not_found,
)


@dataclass
class _Shelf:
    """Everything under one gallery's name; the stream and the answers outlive the gallery."""

    gallery: Gallery | None = None
    people: dict[str, Person] = field(default_factory=dict)
    templates: dict[tuple[str, str], bytes] = field(default_factory=dict)
    labels: dict[tuple[str, str], str] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    answers: dict[tuple[int, str], tuple[float, Committed]] = field(default_factory=dict)
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    epoch: str = field(default_factory=lambda: secrets.token_hex(8))
    say: Callable[[], None] = lambda: None

    @property
    def head(self) -> Head:
        return Head(self.changes[-1].version, self.changes[-1].token, self.epoch) if self.changes else NOWHERE

    def recall(self, born: int, key: str) -> Committed | None:
        ends_at, committed = self.answers.get((born, key), (0.0, Committed(0)))
        return replace(committed, repeated=True) if time.time() < ends_at else None

    async def append(self, note: Note, born: int, idempotency: Idempotency, faces: Iterable[str] = ()) -> Committed:
        version = self.head.version + 1
        self.changes.append(Change(version, secrets.token_hex(8), self.head.token, note, tuple(faces)))
        committed = Committed(version, idempotency.answer, epoch=self.epoch)
        remembered = replace(committed, content=idempotency.content)
        self.answers[born, idempotency.key] = (time.time() + idempotency.lifetime_s, remembered)
        async with self.moved:
            self.moved.notify_all()
        self.say()
        return committed


class MemoryStore(Store):
    """See Store."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._aliases: dict[str, str] = {}
        self._listeners: set[asyncio.Queue[str | None]] = set()

    async def ping(self) -> None:
        return

    async def close(self) -> None:
        return

    async def create_gallery(self, gallery: Gallery, note: Note, idempotency: Idempotency) -> Committed:
        shelf = self._shelf(gallery.name)
        if shelf.gallery:
            remembered = shelf.recall(0, idempotency.key)
            if remembered and remembered.version == shelf.gallery.born:
                return remembered
            raise gallery_exists(gallery.name)
        shelf.gallery = replace(gallery, born=shelf.head.version + 1, people=0, faces=0)
        return await shelf.append(note, 0, idempotency)

    async def get_gallery(self, name: str) -> Gallery:
        shelf, gallery = self._find(name)
        faces = sum(len(person.faces) for person in shelf.people.values())
        found = replace(gallery, version=shelf.head.version, epoch=shelf.epoch)
        return replace(found, people=len(shelf.people), faces=faces)

    async def set_alias(self, alias: str, gallery: str) -> None:
        self._aliases.pop(alias, None)
        if gallery:
            self._aliases[alias] = gallery

    async def list_aliases(self) -> dict[str, str]:
        return dict(self._aliases)

    async def list_galleries(self, after: str, limit: int) -> list[Gallery | UnreadableGallery]:
        names = sorted(name for name, shelf in self._shelves.items() if shelf.gallery and name > after)
        return [await self.get_gallery(name) for name in names[:limit]]

    async def update_gallery(self, before: Gallery, after: Gallery, note: Note) -> Committed:
        shelf, gallery = self._find(before.name)
        if _chosen(gallery) != _chosen(before):
            raise Conflict
        shelf.gallery = replace(after, born=gallery.born)
        return await shelf.append(note, gallery.born, Idempotency())

    async def delete_gallery(self, name: str, note: Note) -> Gallery:
        last = await self.get_gallery(name)
        shelf, _ = self._find(name)
        shelf.gallery = None
        shelf.people.clear()
        shelf.templates.clear()
        shelf.labels.clear()
        committed = await shelf.append(note, last.born, Idempotency())
        return replace(last, version=committed.version)

    async def change_people(self, gallery: Gallery, writes: Sequence[Write]) -> list[Outcome]:
        shelf, now = self._find(gallery.name, gallery.born)
        return [await self._write(shelf, now, write) for write in writes]

    async def get_answer(self, gallery: Gallery, request_id: str) -> Committed | None:
        shelf, _ = self._find(gallery.name)
        return shelf.recall(gallery.born, Idempotency(request_id).key) if request_id else None

    async def get_people(self, name: str, person_ids: Sequence[str]) -> list[Person | None]:
        people = self._shelves.get(name, _Shelf()).people
        return [people.get(person_id) for person_id in person_ids]

    async def list_people(self, name: str, after: str, limit: int) -> list[Person]:
        people = self._shelves.get(name, _Shelf()).people
        ids = sorted(people, key=str.encode)
        return [people[person_id] for person_id in ids if person_id.encode() > after.encode()][:limit]

    async def list_expired(self, name: str, now_ms: int, limit: int) -> list[str]:
        people = self._shelves.get(name, _Shelf()).people.values()
        over = [(person.expire_time_ms, person.person_id.encode()) for person in people if person.is_expired(now_ms)]
        return [person_id.decode() for _, person_id in sorted(over, key=lambda item: (item[0] or 0, item[1]))][:limit]

    async def get_templates(self, name: str, faces: Sequence[tuple[str, str]]) -> list[bytes | None]:
        templates = self._shelves.get(name, _Shelf()).templates
        return [templates.get(face) for face in faces]

    async def get_labels(self, name: str, faces: Sequence[tuple[str, str]]) -> list[str]:
        labels = self._shelves.get(name, _Shelf()).labels
        return [labels.get(face, "") for face in faces]

    async def scan_people(self, name: str) -> AsyncIterator[list[tuple[str, bytes]]]:
        people = self._shelves.get(name, _Shelf()).people.values()
        yield [(person.person_id, person.to_json().encode()) for person in people]

    async def scan_templates(self, name: str) -> AsyncIterator[tuple[list[tuple[str, str]], list[bytes]]]:
        templates = self._shelves.get(name, _Shelf()).templates
        yield list(templates), list(templates.values())

    async def list_names(self, after: str, limit: int) -> list[str]:
        return sorted(name for name in self._shelves if name > after)[:limit]

    async def open_gallery(self, name: str, known: Head = NOWHERE) -> Opened:
        return Opened(await self.get_gallery(name), await self.get_head(name))

    async def survey(self, names: Sequence[str]) -> list[Standing]:
        return [self._standing(self._shelves.get(name, _Shelf())) for name in names]

    @staticmethod
    def _standing(shelf: _Shelf) -> Standing:
        ends = [one.expire_time_ms for one in shelf.people.values() if one.expire_time_ms is not None]
        return Standing(shelf.head, shelf.gallery is not None, min(ends, default=None))

    async def hints(self) -> AsyncIterator[str | None]:
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield None
            while True:
                try:
                    async with asyncio.timeout(1):
                        name = await queue.get()
                except TimeoutError:
                    name = None
                yield name
        finally:
            self._listeners.discard(queue)

    async def get_head(self, name: str) -> Head:
        return self._shelves.get(name, _Shelf()).head

    async def read_changes(self, name: str, after: int, wait_s: float) -> list[Change]:
        shelf = self._shelf(name)
        async with shelf.moved:
            try:
                async with asyncio.timeout(wait_s):
                    await shelf.moved.wait_for(lambda: shelf.head.version > after)
            except TimeoutError:
                return []
        return [change for change in shelf.changes if change.version > after]

    async def list_changes(self, name: str, before: int, limit: int) -> list[Change]:
        changes = self._shelves.get(name, _Shelf()).changes
        return [change for change in reversed(changes) if not before or change.version < before][:limit]

    async def _write(self, shelf: _Shelf, gallery: Gallery, write: Write) -> Outcome:
        if remembered := shelf.recall(gallery.born, write.idempotency.key):
            return remembered
        changes = [change for change, _ in write.changes]
        if write.at_version not in (None, shelf.head.version) or write.at_epoch not in ("", shelf.epoch):
            return Conflict()
        if any(shelf.people.get(change.person_id) != change.before for change in changes):
            return Conflict()
        policy = gallery.policy
        people = sum((change.after is not None) - (change.before is not None) for change in changes)
        if people > 0 and 0 < policy.max_people < len(shelf.people) + people:
            return gallery_full(gallery.name, "people", policy.max_people)
        faces = sum(len(change.templates) - len(change.removed) for change in changes)
        if faces > 0 and 0 < policy.max_faces < sum(len(person.faces) for person in shelf.people.values()) + faces:
            return gallery_full(gallery.name, "faces", policy.max_faces)
        for change, note in write.changes:
            self._apply(shelf, change)
            committed = await shelf.append(note, gallery.born, write.idempotency, change.templates)
        return committed

    def _shelf(self, name: str) -> _Shelf:
        if name not in self._shelves:
            self._shelves[name] = _Shelf(say=lambda: self._say(name))
        return self._shelves[name]

    def _say(self, name: str) -> None:
        for queue in self._listeners:
            queue.put_nowait(name)

    def _find(self, name: str, born: int | None = None) -> tuple[_Shelf, Gallery]:
        shelf = self._shelves.get(name)
        if shelf is None or shelf.gallery is None or (born is not None and born != shelf.gallery.born):
            raise gallery_not_found(name)
        return shelf, shelf.gallery

    @staticmethod
    def _apply(shelf: _Shelf, change: PersonChange) -> None:
        for face_id in change.removed:
            del shelf.templates[change.person_id, face_id]
            shelf.labels.pop((change.person_id, face_id), None)
        if change.after is None:
            shelf.people.pop(change.person_id, None)
            return
        shelf.people[change.person_id] = change.after
        for face_id, template in change.templates.items():
            shelf.templates[change.person_id, face_id] = template
        for face_id, label in change.labels.items():
            if label:
                shelf.labels[change.person_id, face_id] = label


def _chosen(gallery: Gallery) -> tuple[str, str]:
    return gallery.to_json(), gallery.later_to_json()
