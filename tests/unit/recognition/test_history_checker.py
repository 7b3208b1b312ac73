"""The checker of histories finds each kind of broken promise in histories that are made up, and none in a good one."""

from dataclasses import replace

import pytest

from tests.history.checker import check
from tests.history.operations import OK, REFUSED, UNKNOWN, Event, History, Operation

EPOCH = "e"


def person(name: str, *labels: str) -> dict:
    return {"name": name, "faces": len(labels), "labels": list(labels)}


def write(id: str, kind: str, began: float, version: int, person_id: str = "ada", **asked: object) -> Operation:
    """An acknowledged write that took a second."""
    answer = {"version": version, "epoch": EPOCH}
    return Operation(id, kind, "r1", began, began + 1, OK, {"person_id": person_id, **asked}, answer)


def register(
    id: str, began: float, version: int, person_id: str = "ada", look: str = "0", **asked: object
) -> Operation:
    said = {"name": id, "look": look, "label": id, "add_faces": False, **asked}
    done = write(id, "Register", began, version, person_id, **said)
    done.answer["person"] = person(id, id)
    return done


def read(id: str, began: float, seen: dict | None, person_id: str = "ada") -> Operation:
    return Operation(
        id, "GetPerson", "r2", began, began + 1, OK, {"person_id": person_id}, {"people": {person_id: seen}}
    )


def search(
    id: str, began: float, version: int, named: list[str], min_version: int = 0, replica: str = "r2"
) -> Operation:
    asked = {"look": "0", "min_version": min_version, "people": ["ada", "bob"]}
    return Operation(id, "Identify", replica, began, began + 1, OK, asked, {"version": version, "named": named})


def event(version: int, id: str, action: str, person_id: str = "ada", outcome: str = "") -> Event:
    return Event(version, action, person_id, id, outcome)


def history(*operations: Operation, events: list[Event], last: dict | None = None) -> History:
    return History(list(operations), events, last or {})


ADA = register("w1", 0, 2)
BOB = register("w4", 30, 5, "bob", "1", request_id="q")
GONE = write("w2", "DeletePerson", 10, 3)
EVENTS = [event(2, "w1", "Register"), event(3, "w2", "DeletePerson")]


def test_a_good_history_has_no_broken_promise() -> None:
    merged = write("w5", "MergePeople", 40, 7, merged_person_id="bob")
    merged.answer["person"] = person("w3", "w3", "w4")
    good = history(
        ADA,
        read("r1", 5, person("w1", "w1")),
        search("s1", 6, 2, ["ada"], 2),
        GONE,
        read("r2", 10.5, person("w1", "w1")),
        read("r3", 12, None),
        search("s2", 12, 2, ["ada"]),
        search("s3", 14, 3, [], 3),
        Operation("u1", "DeletePerson", "r1", 15, 16, UNKNOWN, {"person_id": "ada"}),
        register("w3", 20, 4),
        BOB,
        replace(BOB, id="w4b", began=33, ended=34),
        merged,
        read("r4", 45, person("w3", "w3", "w4")),
        read("r5", 45, None, "bob"),
        events=[
            *EVENTS,
            event(4, "w3", "Register"),
            event(5, "w4", "Register", "bob"),
            event(6, "w5", "MergePeople"),
            event(7, "w5", "MergePeople", "bob", "1 faces given to ada"),
        ],
        last={"ada": person("w3", "w3", "w4"), "bob": None},
    )
    assert check(good) == []
    assert check(History.read(good.lines())) == []


BROKEN = {
    "an acknowledged write is lost": (
        history(ADA, GONE, events=EVENTS[:1]),
        "w2 was acknowledged as version 3 and is lost",
    ),
    "nobody asked for a change": (history(ADA, events=EVENTS), "nobody asked for DeletePerson"),
    "a refused call changed something": (
        history(ADA, replace(GONE, outcome=REFUSED, answer={"reason": "NO"}), events=EVENTS),
        "was refused (NO)",
    ),
    "a later write has an earlier version": (
        history(
            register("w1", 0, 3),
            register("w2", 5, 2, "bob", "1"),
            events=[event(2, "w2", "Register", "bob"), event(3, "w1", "Register")],
        ),
        "version 2 (w2) began when version 3 was told",
    ),
    "a version is missing": (
        history(ADA, events=[event(1, "w1", "Register"), event(3, "w1", "Register")]),
        "version 3 follows 1",
    ),
    "somebody is registered twice": (
        history(ADA, register("w2", 5, 3), events=[EVENTS[0], event(3, "w2", "Register")]),
        "registered already was registered again",
    ),
    "somebody who is gone is changed": (
        history(
            ADA, GONE, write("w3", "UpdatePerson", 20, 4, name="x"), events=[*EVENTS, event(4, "w3", "UpdatePerson")]
        ),
        "somebody who was not there",
    ),
    "a call is done twice": (
        history(ADA, GONE, events=[*EVENTS, event(4, "w2", "DeletePerson")]),
        "w2 was done 2 times",
    ),
    "one face under two names": (
        history(ADA, register("w2", 5, 3, "bob"), events=[EVENTS[0], event(3, "w2", "Register", "bob")]),
        "one face under several names",
    ),
    "a read misses what was acknowledged": (
        history(ADA, read("r1", 5, None), events=EVENTS[:1]),
        "as None is of no version from 2",
    ),
    "a deletion comes back": (
        history(ADA, GONE, read("r1", 12, person("w1", "w1")), events=EVENTS),
        "is of no version from 3 to 3",
    ),
    "a deletion that nobody acknowledged comes back": (
        history(
            ADA,
            replace(GONE, outcome=UNKNOWN, ended=30),
            read("r1", 11, None),
            read("r2", 13, person("w1", "w1")),
            events=EVENTS,
        ),
        "GetPerson r2",
    ),
    "a read sees what nobody has written yet": (
        history(read("r1", -5, person("w1", "w1")), ADA, events=EVENTS[:1]),
        "GetPerson r1",
    ),
    "a refusal tells of somebody who was gone": (
        history(
            ADA,
            GONE,
            Operation(
                "w3",
                "Register",
                "r1",
                12,
                13,
                REFUSED,
                {"person_id": "ada"},
                {"reason": "PERSON_EXISTS", "person_id": "ada"},
            ),
            events=EVENTS,
        ),
        "ada as present is of no version",
    ),
    "a search is older than was asked": (
        history(ADA, search("s1", 5, 1, [], 2), events=EVENTS[:1]),
        "asked for version 2 and got 1",
    ),
    "a search misses who is in its version": (
        history(ADA, search("s1", 5, 2, []), events=EVENTS[:1]),
        "ada as not named",
    ),
    "a replica finds again who is deleted": (
        history(ADA, GONE, search("s1", 11, 2, []), search("s2", 13, 2, ["ada"]), events=EVENTS),
        "Identify s2",
    ),
    "a request is done twice": (
        history(
            register("w1", 0, 2, request_id="q"),
            GONE,
            register("w3", 20, 4, request_id="q"),
            events=[*EVENTS, event(4, "w3", "Register")],
        ),
        "request q was done by",
    ),
    "a request is answered with another version": (
        history(register("w1", 0, 2, request_id="q"), register("w1b", 5, 9, request_id="q"), events=EVENTS[:1]),
        "answered with versions [2, 9]",
    ),
    "a request id stands for two requests": (
        history(register("w1", 0, 2, request_id="q"), register("w9", 5, 2, "bob", request_id="q"), events=EVENTS[:1]),
        "asked something else under request q",
    ),
    "an epoch begins though nothing was cut": (
        history(ADA, replace(GONE, answer={"version": 3, "epoch": "f"}), events=EVENTS),
        "in 2 epochs",
    ),
    "in the end somebody is left": (
        history(ADA, GONE, events=EVENTS, last={"ada": person("w1", "w1")}),
        "in the end ada is",
    ),
    "an answer shows what its version is not": (
        history(replace(ADA, answer={**ADA.answer, "person": person("other", "w1")}), events=EVENTS[:1]),
        "which version 2 is not",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_promise_is_found(what: str) -> None:
    broken, sentence = BROKEN[what]
    found = check(broken)
    assert any(sentence in one for one in found), found
