"""Checks a history against what recognition promises, and says each promise that was broken.

Versions put the writes of a gallery in one order, so nothing has to be searched for. Linearizable writes means: that
order is possible (the model can play it), and no write that began after another one had ended comes before it.
A person is a register of its own. Its reads get the earliest version that each may have seen, in the order in which
they began; if one finds none, there is no order at all that explains them.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeAlias

from tests.history.model import Impossible, Model, State
from tests.history.operations import OK, REFUSED, Event, History, Operation, Seen

READS = ("GetPerson", "ListPeople", "Identify")
# What a refusal says of the person: whether there is one.
ABSENT, PRESENT = "PERSON_NOT_FOUND", "PERSON_EXISTS"
Told: TypeAlias = Seen | str
"""What an answer tells of a person: all of them, or a word, as _fits reads it."""


def check(history: History) -> list[str]:
    """Every broken promise, a sentence each; none is good."""
    return list(_Check(history).run())


class _Check:
    def __init__(self, history: History) -> None:
        self._history = history
        self._events = history.events
        self._by_id = {operation.id: operation for operation in history.operations}
        self._made: defaultdict[str, list[Event]] = defaultdict(list)
        for event in history.events:
            self._made[event.id].append(event)
        self._made_at = history.events[0].version - 1 if history.events else 0
        self._model = Model()
        writes = [one for one in history.operations if one.kind not in READS]
        self._acknowledged = sorted((one for one in writes if one.outcome == OK), key=lambda one: one.ended)
        self._newest = list(accumulate((_version(one) for one in self._acknowledged), max))
        began = (self._by_id[event.id].began if event.id in self._by_id else 0.0 for event in history.events)
        self._begun = list(accumulate(began, max))

    def run(self) -> Iterator[str]:
        yield from self._audit()
        yield from self._acknowledgements()
        yield from self._real_time()
        yield from self._requests()
        yield from self._reads()
        yield from self._searches()
        yield from self._end()

    def _audit(self) -> Iterator[str]:
        """Every change was asked for, was possible, and has a version of its own."""
        for number, event in enumerate(self._events):
            if number and event.version != self._events[number - 1].version + 1:
                yield f"version {event.version} follows {self._events[number - 1].version}"
            operation = self._by_id.get(event.id)
            if operation is None:
                yield f"version {event.version}: nobody asked for {event.action} of {event.person_id}"
                continue
            if operation.outcome == REFUSED:
                yield f"version {event.version}: {operation.kind} {operation.id} was refused ({operation.reason})"
            try:
                self._model.play(event, operation)
            except Impossible as error:
                yield f"version {event.version}: {event.action} of {event.person_id} by {event.id}: {error}"
            if not _is_half(event) and (alike := self._model.look_alikes()):
                yield f"version {event.version}: one face under several names, {sorted(map(sorted, alike))}"
        for id, events in self._made.items():
            if len(events) > (2 if events[0].action == "MergePeople" else 1):
                yield f"{id} was done {len(events)} times, in versions {[event.version for event in events]}"

    def _acknowledgements(self) -> Iterator[str]:
        """What was acknowledged is in the audit, at the version that was told, with the person of then."""
        epochs = {one.answer["epoch"] for one in self._acknowledged}
        if len(epochs) > 1:
            yield f"versions were told in {len(epochs)} epochs, though no history was cut"
        for operation in self._acknowledged:
            made = self._made.get(operation.id)
            if made is None and self._first_of(operation) is None:
                yield f"{operation.kind} {operation.id} was acknowledged as version {_version(operation)} and is lost"
            elif made is not None and made[-1].version != _version(operation):
                yield f"{operation.id} was told version {_version(operation)} and has {made[-1].version}"
            elif made is not None and "person" in operation.answer:
                states, version = self._model.states(operation.asked["person_id"]), made[0].version
                # An answer that is given again has the person as they are by then.
                until = self._ceiling(operation.ended) if operation.asked.get("request_id") else version
                if _earliest(states, operation.answer["person"], "", version, until) is None:
                    yield f"{operation.id} answered {operation.answer['person']}, which version {version} is not"

    def _first_of(self, operation: Operation) -> Operation | None:
        """The call whose answer this one was given again."""
        asked = operation.asked.get("request_id")
        same = (one for one in self._history.operations if asked and one.asked.get("request_id") == asked)
        return next((one for one in same if one.id in self._made), None)

    def _real_time(self) -> Iterator[str]:
        """A write that began after another one had ended has a later version."""
        for event in self._events:
            if (operation := self._by_id.get(event.id)) is not None and event.version <= self._floor(operation.began):
                yield f"version {event.version} ({event.id}) began when version {self._floor(operation.began)} was told"

    def _floor(self, moment: float) -> int:
        """The newest version that was acknowledged before that moment."""
        place = bisect_left(self._acknowledged, moment, key=lambda one: one.ended)
        return self._newest[place - 1] if place else 0

    def _ceiling(self, moment: float) -> int:
        """The newest version that had begun by that moment, with all before it."""
        place = bisect_right(self._begun, moment)
        # The gallery was made before anybody was asked to keep a history of it.
        return self._events[place - 1].version if place else self._made_at

    def _requests(self) -> Iterator[str]:
        """A request id that comes again changes nothing and is answered with the first version."""
        by_request: defaultdict[str, list[Operation]] = defaultdict(list)
        for operation in self._history.operations:
            if request_id := operation.asked.get("request_id"):
                by_request[request_id].append(operation)
        for request_id, operations in by_request.items():
            made = [one.id for one in operations if one.id in self._made]
            if len(made) > 1:
                yield f"request {request_id} was done by {made}"
            told = {_version(one) for one in operations if one.outcome == OK}
            if len(told) > 1:
                yield f"request {request_id} was answered with versions {sorted(told)}"
            for one in operations:
                if one.outcome == OK and made and one.asked != self._by_id[made[0]].asked:
                    yield f"{one.id} asked something else under request {request_id} of {made[0]}, and was answered"

    def _reads(self) -> Iterator[str]:
        """What was read was so at a moment between question and answer, and never earlier than what was read before."""
        reads: defaultdict[str, list[tuple[Operation, Told]]] = defaultdict(list)
        for operation in self._history.operations:
            for person_id, seen in _read_by(operation):
                reads[person_id].append((operation, seen))
        for person_id, its in reads.items():
            yield from self._in_order(person_id, its, "", lambda one: self._floor(one.began))

    def _searches(self) -> Iterator[str]:
        """A search is of the version that it says, or later; it has the version that was asked for; a replica that has
        told of a deletion finds nobody again."""
        reads: defaultdict[tuple[str, str, str], list[tuple[Operation, Told]]] = defaultdict(list)
        for one in self._history.operations:
            if one.kind != "Identify" or one.outcome != OK:
                continue
            if one.answer["version"] < one.asked["min_version"]:
                yield f"{one.id} asked for version {one.asked['min_version']} and got {one.answer['version']}"
            for person_id in one.asked["people"]:
                says = "named" if person_id in one.answer["named"] else "not named"
                reads[person_id, one.replica, one.asked["look"]].append((one, says))
        for (person_id, _, look), its in reads.items():
            yield from self._in_order(
                person_id, its, look, lambda one: max(one.answer["version"], one.asked["min_version"])
            )

    def _in_order(
        self, person_id: str, reads: Sequence[tuple[Operation, Told]], look: str, floor_of: Callable[[Operation], int]
    ) -> Iterator[str]:
        """Give each read the earliest version that it may have seen."""
        states, given = self._model.states(person_id), Given()
        for operation, told in sorted(reads, key=lambda each: each[0].began):
            floor, ceiling = max(given.before(operation.began), floor_of(operation)), self._ceiling(operation.ended)
            version = _earliest(states, told, look, floor, ceiling)
            if version is not None:
                given.add(operation.ended, version)
                continue
            yield (
                f"{operation.kind} {operation.id} on {operation.replica} at {operation.began:.3f} s: {person_id} as "
                f"{told} is of no version from {floor} to {ceiling}"
            )

    def _end(self) -> Iterator[str]:
        """When all is quiet, the gallery holds what the model holds."""
        for person_id, seen in self._history.last.items():
            if not self._model.states(person_id)[-1].is_shown_by(seen):
                yield f"in the end {person_id} is {seen}, not {self._model.now(person_id)}"


class Given:
    """The versions that reads were given, by the moments at which those ended."""

    def __init__(self) -> None:
        self._ended: list[float] = []
        self._versions: list[int] = []

    def before(self, moment: float) -> int:
        """The newest that a read which had ended by then was given."""
        return max(self._versions[: bisect_left(self._ended, moment)], default=0)

    def add(self, ended: float, version: int) -> None:
        place = bisect_left(self._ended, ended)
        self._ended.insert(place, ended)
        self._versions.insert(place, version)


def _earliest(states: Sequence[State], told: Told, look: str, floor: int, ceiling: int) -> int | None:
    ends = [state.version - 1 for state in states[1:]] + [ceiling]
    for state, end in zip(states, ends, strict=True):
        first, last = max(state.version, floor), min(end, ceiling)
        if first <= last and _fits(state, told, look):
            return first
    return None


def _fits(state: State, told: Told, look: str) -> bool:
    match told:
        case "named" | "not named":
            return state.has_look(look) == (told == "named")
        case "absent" | "present":
            return (state.person is None) == (told == "absent")
        case str():
            raise ValueError(told)
    return state.is_shown_by(told)


def _read_by(operation: Operation) -> Iterable[tuple[str, Told]]:
    """What a call tells of people on record; a refusal may tell it too."""
    if operation.outcome == OK and operation.kind in ("GetPerson", "ListPeople"):
        return list(operation.answer["people"].items())
    if operation.outcome == OK and "person" in operation.answer:
        return [(operation.asked["person_id"], operation.answer["person"])]
    if operation.outcome != OK and operation.reason in (ABSENT, PRESENT):
        return [(operation.answer["person_id"], "absent" if operation.reason == ABSENT else "present")]
    return []


def _version(operation: Operation) -> int:
    version: int = operation.answer["version"]
    return version


def _is_half(event: Event) -> bool:
    """Whether the next event is of the same step."""
    return event.action == "MergePeople" and " given to " not in event.outcome
