"""Who becomes which person here, and who is left out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from convoy.cli.migration.source import Left, Somebody
from convoy.core.names import composed, id_of_name, ids_of_name, is_id


@dataclass(frozen=True)
class Plan:
    """Everybody with the id that the person gets, and who cannot have one."""

    people: tuple[Somebody, ...]
    left: tuple[Left, ...]


def make_plan(people: Iterable[Somebody], on_record: Iterable[str]) -> Plan:
    """Give each an id: as the name stands if the gallery has it, else in lower case, as the doors for clients do.

    on_record: ids of the gallery's people. Of two names that become one id, the second is left out: nobody can tell
    whether they are one person.
    """
    known, planned, left = set(on_record), [], []
    takers: dict[str, str] = {}
    for one in people:
        person_id = one.person_id or _id_of(one.name, known)
        if not is_id(person_id):
            message = "its name is empty, or longer than the 128 characters of an id; rename it there"
            left.append(Left("", one.name, person_id[:128], "NAME", message))
        elif (taker := takers.setdefault(person_id, one.name)) != one.name:
            message = f"the name becomes the id of {taker!r}; rename one of them there, or merge them"
            left.append(Left("", one.name, person_id, "NAME", message))
        else:
            planned.append(replace(one, person_id=person_id))
    return Plan(tuple(planned), tuple(left))


def _id_of(name: str, known: set[str]) -> str:
    return next((one for one in ids_of_name(name) if one in known), id_of_name(composed(name)))
