"""What callers did, as a list: each call with the moments at which it began and ended, and what came of it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
"""refused: the service said no, and nothing may have changed. unknown: it may have changed something, now or later."""

Seen: TypeAlias = dict[str, Any] | None
"""A person as an answer showed them: "name", "faces" (how many), "labels" (of those that it told); None for nobody.

Each face is labelled by the id of the call that brought it.
"""


@dataclass
class Operation:
    """One call. id: its x-request-id, which the audit names. began, ended: seconds on one clock.

    replica: which process answered, anew after each start of it. asked: what the call said. answer: what it was told;
    of a write "version", "epoch" and "person"; of a read "people", by id.
    """

    id: str
    kind: str
    replica: str
    began: float
    ended: float
    outcome: str
    asked: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return self.answer.get("reason", "")


@dataclass(frozen=True)
class Event:
    """A change as the gallery's audit has it. id: the call that made it."""

    version: int
    action: str
    person_id: str
    id: str
    outcome: str = ""


@dataclass
class History:
    """All calls on one gallery, its audit after the last of them, and what it holds then."""

    operations: list[Operation]
    events: list[Event]
    last: dict[str, Seen] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        for operation in self.operations:
            yield json.dumps({"operation": asdict(operation)})
        for event in self.events:
            yield json.dumps({"event": asdict(event)})
        yield json.dumps({"last": self.last})

    @classmethod
    def read(cls, lines: Iterable[str]) -> "History":
        found = cls([], [])
        for line in lines:
            match json.loads(line):
                case {"operation": facts}:
                    found.operations.append(Operation(**facts))
                case {"event": facts}:
                    found.events.append(Event(**facts))
                case {"last": people}:
                    found.last = people
        return found
