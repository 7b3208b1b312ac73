"""Registers everybody of a source, with all checks of `Register`. You may stop it at any moment and run it again.

Each face has its id before it is sent: the one that it has there, or one made of person and photo. An id is once in a
gallery, and a registration is made whole or not at all; so what is on record is known by its id, and nothing is lost or
there twice, whenever the command was killed.
"""

import hashlib
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from convoy.cli.migration.source import Left, Photo, Somebody
from convoy.cli.output import LONGEST_LABEL
from convoy.cli.packs import Room
from convoy.cli.patience import Suspicion, is_broken, steadily
from convoy.core.errors import AlreadyExists, ConvoyError, FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from convoy.client import Convoy
    from convoy.client.answers.recognition import Registration

AT_ONCE = 4
NAMESPACE = UUID("6f1f0a3e-5d0c-5c39-9a0b-8a4c7a0c8f36")
"""Of the ids that faces get by person and photo."""


class Enrolment:
    """Brings people into a gallery. faces: the ids on record when it began."""

    def __init__(
        self,
        convoy: "Convoy",
        gallery: str,
        *,
        allow_conflict: bool = False,
        keeps_empty: bool = False,
        largest: bool = False,
    ) -> None:
        self._convoy = convoy
        self._gallery = gallery
        self._allow_conflict = allow_conflict
        self._keeps_empty = keeps_empty
        self._largest = largest
        self._suspicion = Suspicion(lambda: convoy.get_gallery(gallery))
        self.faces: dict[str, str] = {}
        self.people: set[str] = set()

    def look(self) -> None:
        """Read who is on record. NotFound(GALLERY_NOT_FOUND)."""
        for person in self._convoy.list_people(self._gallery, page_size=1000):
            self.people.add(person.person_id)
            self.faces |= {face.face_id: person.person_id for face in person.faces}

    def enrol(self, people: tuple[Somebody, ...]) -> "Iterator[tuple[Somebody, list[tuple[Photo, str, Left | None]]]]":
        """Yield each person, and of each photo the id of its face and why it was refused, None for one on record.

        Several people are registered at once; of two who show the same face, whoever is written first is registered.
        """
        with ThreadPoolExecutor(AT_ONCE, "migrate") as pool:
            waiting = []
            try:
                for one in people:
                    waiting.append(pool.submit(self._enrol, one))
                    if len(waiting) > 2 * AT_ONCE:
                        yield waiting.pop(0).result()
                while waiting:
                    yield waiting.pop(0).result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _enrol(self, one: Somebody) -> "tuple[Somebody, list[tuple[Photo, str, Left | None]]]":
        done: list[tuple[Photo, str, Left | None]] = []
        pack: list[tuple[Photo, bytes]] = []
        room = Room()
        seen: set[str] = set()
        for photo in one.photos:
            if self.faces.get(photo.face_id) == one.person_id:
                done.append((photo, photo.face_id, None))
                continue
            try:
                content = photo.read()
            except (OSError, InvalidArgument) as error:
                reason = error.reason if isinstance(error, InvalidArgument) else "UNREADABLE"
                message = error.message if isinstance(error, InvalidArgument) else error.strerror or str(error)
                done.append((photo, "", _left(photo, one, reason, message)))
                continue
            photo = photo if photo.face_id else replace(photo, face_id=_face_id(one.person_id, content))
            if photo.face_id in seen:
                done.append((photo, "", _left(photo, one, "DUPLICATE", "the same photo is there twice")))
                continue
            seen.add(photo.face_id)
            if self.faces.get(photo.face_id) == one.person_id:
                done.append((photo, photo.face_id, None))
                continue
            if not room.takes(len(content)):
                done += self._send(one, pack)
                pack, room = [], Room()
            pack.append((photo, content))
            room.put(len(content))
        done += self._send(one, pack) if pack else []
        if self._keeps_empty and one.person_id not in self.people and all(left for _, _, left in done):
            done += self._make(one)
        return one, done

    def _make(self, one: Somebody) -> list[tuple[Photo, str, Left | None]]:
        """Make a person without faces, who has a name and facts all the same; gives why not, if so."""
        try:
            steadily(
                lambda: self._convoy.create_person(
                    self._gallery, one.person_id, display_name=_name(one), metadata=one.metadata
                )
            )
        except AlreadyExists:
            return []
        except InvalidArgument as error:
            nothing = Photo("", bytes)
            return [(nothing, "", _left(nothing, one, error.reason, error.message))]
        return []

    def _send(self, one: Somebody, pack: list[tuple[Photo, bytes]]) -> list[tuple[Photo, str, Left | None]]:
        """Register photos of a person. Those that another run registered meanwhile are known."""
        done: list[tuple[Photo, str, Left | None]] = []
        while pack:
            boxes, pack, unboxed = _boxes(one, pack)
            done += unboxed
            if not pack:
                break
            try:
                answer = steadily(lambda: self._register(one, pack, boxes))  # noqa: B023 - it is called at once
                self._suspicion.clear()
            except AlreadyExists as error:
                if error.reason != "FACE_EXISTS":
                    raise
                taken = str(error.metadata["face_id"])
                owner = str(error.metadata["person_id"])
                photo = next(photo for photo, _ in pack if photo.face_id == taken)
                message = f"the gallery has a face of this id, of person {owner!r}"
                is_there = owner == one.person_id
                done.append((photo, taken, None if is_there else _left(photo, one, "FACE_EXISTS", message)))
                pack = [(other, content) for other, content in pack if other is not photo]
                continue
            except (FailedPrecondition, InvalidArgument) as error:
                self._suspicion.clear()
                if not error.details and isinstance(error, InvalidArgument) and len(pack) > 1:
                    # It may be one photo's id or name, or all of them together: none spoils the others.
                    return done + [told for each in pack for told in self._send(one, [each])]
                if not error.details:
                    return done + [(p, "", _left(p, one, error.reason, error.message)) for p, _ in pack]
                answer = error.details[0]  # type: ignore[assignment]
            except ConvoyError as error:
                if not is_broken(error):
                    raise
                if len(pack) > 1:
                    return done + [told for each in pack for told in self._send(one, [each])]
                self._suspicion.weigh(error)
                ((photo, _),) = pack
                return [*done, (photo, "", _left(photo, one, error.reason, error.message))]
            for (photo, _), found in zip(pack, answer.results, strict=True):
                left = None if found.accepted else _left(photo, one, found.refusal, found.message)
                done.append((photo, found.face_id, left))
            break
        return done

    def _register(self, one: Somebody, pack: list[tuple[Photo, bytes]], boxes: list[object]) -> "Registration":
        return self._convoy.register(
            self._gallery,
            one.person_id,
            [content for _, content in pack],
            display_name=_name(one),
            metadata=one.metadata,
            add_faces=True,
            use_largest_face=self._largest,
            allow_identity_conflict=self._allow_conflict,
            photo_labels=[photo.label[-LONGEST_LABEL:] for photo, _ in pack],
            face_ids=[photo.face_id for photo, _ in pack],
            photo_boxes=boxes if any(boxes) else (),  # type: ignore[arg-type]
        )


def _boxes(
    one: Somebody, pack: list[tuple[Photo, bytes]]
) -> tuple[list[object], list[tuple[Photo, bytes]], list[tuple[Photo, str, Left | None]]]:
    """The box of each photo, None for one of one face; the photos that have one; and those that are no pictures."""
    boxes: list[object] = []
    kept: list[tuple[Photo, bytes]] = []
    left: list[tuple[Photo, str, Left | None]] = []
    for photo, content in pack:
        try:
            boxes.append(photo.box_of(content) if photo.box_of else None)
            kept.append((photo, content))
        except ConvoyError as error:
            left.append((photo, "", _left(photo, one, error.reason, error.message)))
    return boxes, kept, left


def _face_id(person_id: str, content: bytes) -> str:
    return str(uuid5(NAMESPACE, f"{person_id} {hashlib.sha256(content).hexdigest()}"))


def _name(one: Somebody) -> str:
    """The name for people to read: none if it is the id, and without control characters, which no name may have."""
    plain = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in one.name)
    return "" if one.name == one.person_id else plain


def _left(photo: Photo, one: Somebody, reason: str, message: str) -> Left:
    return Left(photo.label, one.name, one.person_id, reason, message)
