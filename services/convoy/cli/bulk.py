"""Registers many people from a folder or a table. You may stop at any moment and resume later.

`bulk_sources` reads who there is.

The id of each request is a hash of its content. If you send it again within a day, the service answers from memory,
unless the person was deleted meanwhile; after a day it finds the photos on record. Either way nothing is doubled.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from convoy.cli.bulk_sources import Entry, Outcome, People
from convoy.cli.output import label_of
from convoy.cli.packs import Room
from convoy.cli.patience import AWAY, Patience
from convoy.client.operations.operation import Operation
from convoy.client.operations.recognition import register
from convoy.client.pictures import read_file
from convoy.core.errors import ConvoyError, FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from convoy.client import Convoy
    from convoy.client.answers.recognition import PhotoResult, Registration


class Bulk:
    """Registers people. You may leave `outcomes` at any moment and begin again with the same people."""

    def __init__(
        self,
        convoy: "Convoy",
        gallery: str,
        people: People,
        *,
        use_largest_face: bool = False,
        allow_identity_conflict: bool = False,
        allow_different: bool = False,
    ) -> None:
        self._convoy = convoy
        self._gallery = gallery
        self._use_largest_face = use_largest_face
        self._allow_identity_conflict = allow_identity_conflict
        self._allow_different = allow_different
        self._people = people
        self.steps = sum(len(entry.photos) for entry in people.entries) + len(people.left_out)
        self._packs = [pack for entry in people.entries for pack in _packs(entry)]
        self._unreadable: dict[int, list[Outcome]] = {}
        self._begun_at = 0
        self._on_record: set[tuple[str, str]] = set()

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what became of each file as answers come: first what is left out, then the photos.

        Last, everybody who has no face on record is named (NO_PHOTO). If a service is away, it is asked again a few
        times.
        """
        yield from self._people.left_out
        self._begun_at = self._convoy.get_gallery(self._gallery).version
        people = self._convoy.list_people(self._gallery, page_size=1000)
        self._on_record = {(person.person_id, face.face_id) for person in people for face in person.faces}
        missing = {entry.person_id: entry for entry in self._people.entries}
        for person_id, _ in self._on_record:
            missing.pop(person_id, None)
        for outcome in self._photo_outcomes():
            if outcome.accepted:
                missing.pop(outcome.person_id, None)
            yield outcome
        for entry in missing.values():
            message = f"none of {len(entry.photos)} photos could be registered: nobody will recognise this person"
            yield Outcome(entry.place, entry.person_id, False, "NO_PHOTO", message, is_photo=False)

    def _photo_outcomes(self) -> Iterator[Outcome]:
        done, patience = 0, Patience()
        while done < len(self._packs):
            try:
                for number, outcomes in self._stream(done):
                    for passed in range(done, number + 1):
                        yield from self._unreadable.pop(passed, [])
                    done = number + 1
                    patience.renew()
                    yield from outcomes
                for passed in range(done, len(self._packs)):
                    yield from self._unreadable.pop(passed, [])
                done = len(self._packs)
            except AWAY as error:
                patience.wait(error)

    def _stream(self, first: int) -> Iterator[tuple[int, list[Outcome]]]:
        """Yield the outcomes pack by pack. Packs without a readable photo are skipped."""
        sent: deque[tuple[int, Entry, Operation[Registration]]] = deque()

        def plans() -> Iterator["Operation[Registration]"]:
            for number in range(first, len(self._packs)):
                if (planned := self._plan(number)) is not None:
                    sent.append((number, *planned))
                    yield planned[1]

        for answer in self._convoy.stream(plans()):
            number, entry, operation = sent.popleft()
            yield number, self._read(entry, operation, answer)

    def _plan(self, number: int) -> "tuple[Entry, Operation[Registration]] | None":
        """The request for a pack's readable photos."""
        entry, readable, contents = self._packs[number], [], []
        unreadable = []
        for path in entry.photos:
            try:
                contents.append(read_file(path))
                readable.append(path)
            except (OSError, InvalidArgument) as error:
                message = getattr(error, "strerror", None) or str(error)
                unreadable.append(Outcome(path, entry.person_id, False, "UNREADABLE", message))
        self._unreadable[number] = unreadable
        if not readable:
            return None
        operation = register(
            self._gallery,
            entry.person_id,
            contents,
            display_name=entry.display_name,
            metadata=entry.metadata,
            tags=entry.tags,
            add_faces=True,
            use_largest_face=self._use_largest_face,
            allow_identity_conflict=self._allow_identity_conflict,
            allow_different=self._allow_different,
            request_id=self._request_id(entry, contents),
            photo_labels=[label_of(path) for path in readable],
        )
        return replace(entry, photos=tuple(readable)), operation

    def _read(self, entry: Entry, operation: "Operation[Registration]", answer: Any) -> list[Outcome]:
        if isinstance(answer, AWAY):
            raise answer
        if isinstance(answer, FailedPrecondition) and len(entry.photos) > 1:
            # A stream's error does not say what became of each photo; the call by itself does.
            answer = self._ask_again(operation)
        elif self._is_outdated(entry, answer):
            request: Any = operation.request
            request.request_id = str(uuid4())
            answer = self._ask_again(operation)
        if isinstance(answer, ConvoyError):
            accepted = answer.reason == "DUPLICATE"
            return [Outcome(p, entry.person_id, accepted, answer.reason, answer.message) for p in entry.photos]
        return [
            self._outcome(path, entry.person_id, found)
            for path, found in zip(entry.photos, answer.results, strict=True)
        ]

    def _outcome(self, path: Path, person_id: str, found: "PhotoResult") -> Outcome:
        if found.accepted and (person_id, found.face_id) in self._on_record:
            # The service gave the answer to an earlier run again: the face was on record before this one.
            return Outcome(path, person_id, True, "DUPLICATE", "an earlier run registered it")
        is_there = found.accepted or found.refusal == "DUPLICATE"
        return Outcome(path, person_id, is_there, found.refusal, found.message)

    def _is_outdated(self, entry: Entry, answer: Any) -> bool:
        """Whether this was answered from memory, and faces that it tells of were deleted since."""
        if isinstance(answer, ConvoyError):
            return answer.reason in ("PERSON_NOT_FOUND", "REQUEST_ID_REUSED")
        if answer.version > self._begun_at:
            return False
        return any(
            found.accepted and (entry.person_id, found.face_id) not in self._on_record for found in answer.results
        )

    def _ask_again(self, operation: "Operation[Registration]") -> Any:
        try:
            return self._convoy.perform(operation)
        except (FailedPrecondition, InvalidArgument) as error:
            return error.details[0] if error.details else error

    def _request_id(self, entry: Entry, contents: list[bytes]) -> str:
        person = (entry.person_id, entry.display_name, entry.tags, sorted(entry.metadata.items()))
        said = (self._gallery, *person, self._use_largest_face, self._allow_identity_conflict)
        # Said only where it is set, so that a run that an earlier version began goes on.
        digest = hashlib.sha256(repr((*said, "allow_different") if self._allow_different else said).encode())
        for content in contents:
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()


def _packs(entry: Entry) -> Iterator[Entry]:
    """The entry in requests of a few photos that are not too large together."""
    photos: list[Path] = []
    room = Room()
    for path in entry.photos:
        try:
            more = path.stat().st_size
        except OSError:  # It is told when it is read.
            more = 0
        if not room.takes(more):
            yield replace(entry, photos=tuple(photos))
            photos, room = [], Room()
        photos.append(path)
        room.put(more)
    if photos:
        yield replace(entry, photos=tuple(photos))
