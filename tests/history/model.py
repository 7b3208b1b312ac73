"""The gallery as it should be: its audit played, one change after another, on plain dictionaries."""

from dataclasses import dataclass, replace

from tests.history.operations import Event, Operation, Seen


@dataclass(frozen=True)
class Person:
    """faces: by the id of the call that brought each, whose face it is (its look)."""

    name: str
    faces: dict[str, str]

    def is_shown_by(self, seen: Seen) -> bool:
        """Whether an answer shows this person."""
        if seen is None:
            return False
        return (seen["name"], seen["faces"]) == (self.name, len(self.faces)) and set(seen["labels"]) <= set(self.faces)


@dataclass(frozen=True)
class State:
    """A person from a version of the gallery on; None for nobody."""

    version: int
    person: Person | None

    def is_shown_by(self, seen: Seen) -> bool:
        return seen is None if self.person is None else self.person.is_shown_by(seen)

    def has_look(self, look: str) -> bool:
        return self.person is not None and look in self.person.faces.values()


class Impossible(Exception):
    """A change that the gallery must have refused."""


class Model:
    """Every state that each person had."""

    def __init__(self) -> None:
        self._states: dict[str, list[State]] = {}

    def states(self, person_id: str) -> list[State]:
        return self._states.setdefault(person_id, [State(0, None)])

    def now(self, person_id: str) -> Person | None:
        return self.states(person_id)[-1].person

    def play(self, event: Event, operation: Operation) -> None:
        """Make one change. Raises Impossible."""
        self.states(event.person_id).append(State(event.version, self._after(event, operation)))

    def look_alikes(self) -> list[set[str]]:
        """People who have a face of one look."""
        found: dict[str, set[str]] = {}
        for person_id in self._states:
            if (person := self.now(person_id)) is not None:
                for look in person.faces.values():
                    found.setdefault(look, set()).add(person_id)
        return [people for people in found.values() if len(people) > 1]

    def _after(self, event: Event, operation: Operation) -> Person | None:
        before, asked = self.now(event.person_id), operation.asked
        if event.action != operation.kind or event.person_id not in (asked["person_id"], asked.get("merged_person_id")):
            raise Impossible(f"{operation.kind} of {asked['person_id']} was asked for")
        if event.action == "Register":
            if before is not None and before.faces and not asked["add_faces"]:
                raise Impossible("who is registered already was registered again")
            return Person(asked["name"], {**(before.faces if before else {}), asked["label"]: asked["look"]})
        if before is None:
            raise Impossible("it was done to somebody who was not there")
        match event.action:
            case "UpdatePerson":
                return replace(before, name=asked["name"])
            case "DeletePerson":
                return None
            case "DeleteFace":
                if asked["label"] not in before.faces:
                    raise Impossible("a face was deleted that was not there")
                return replace(before, faces={id: look for id, look in before.faces.items() if id != asked["label"]})
            case "MergePeople" if event.person_id == asked["person_id"]:
                # The other one goes by the next event, of the same step.
                other = self.now(asked["merged_person_id"])
                if other is None:
                    raise Impossible("somebody was merged who was not there")
                return replace(before, faces={**before.faces, **other.faces})
            case "MergePeople":
                return None
        raise Impossible("there is no such change")
