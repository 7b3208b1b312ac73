"""A steady load on every service, with each answer written down, and whom recognition has said it registered."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from convoy.client import Convoy
from convoy.core.errors import ConvoyError
from convoy.testing import pictures

PAUSE_S = 0.1
DEADLINE_S = 10.0
PICTURE = pictures.encode(pictures.plain((220, 20, 20)))
KNOWN = pictures.encode(pictures.portrait(0))


@dataclass(frozen=True)
class Outcome:
    """One call: when it began and ended, on time.monotonic's clock, and how: OK or the reason of its failure."""

    began: float
    ended: float
    reason: str


@dataclass
class Load:
    """What was answered so far. `acknowledged` are the people whose registration was."""

    gallery: str
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)

    def failures(self, work: str, since: float = 0.0) -> list[str]:
        """Reasons of the calls of a kind that failed and were over after `since`."""
        return [one.reason for one in self.outcomes[work] if one.reason != "OK" and one.ended >= since]

    def is_steady(self, work: str, since: float, calls: int = 5) -> bool:
        """Whether the last calls of a kind, all begun after `since`, were answered."""
        last = [one for one in self.outcomes[work] if one.began >= since][-calls:]
        return len(last) == calls and all(one.reason == "OK" for one in last)


def works(convoy: Convoy, load: Load) -> dict[str, Callable[[], object]]:
    """What is asked again and again: one kind of call for each service, two of recognition, and its health."""

    def register() -> None:
        person_id = f"p{time.monotonic_ns()}"
        photo = pictures.encode(pictures.portrait(len(load.outcomes["register"]) + 1))
        convoy.register(load.gallery, person_id, [photo], allow_identity_conflict=True)
        load.acknowledged.append(person_id)

    def identify() -> None:
        assert convoy.identify(load.gallery, KNOWN).faces[0].person is not None

    def health() -> None:
        if convoy.check_health("recognition") != "SERVING":
            raise ConvoyError("NOT_SERVING", "recognition says that it is not ready")

    return {
        "classify": lambda: convoy.classify(PICTURE),
        "detect": lambda: convoy.detect(PICTURE),
        "segment": lambda: convoy.segment(PICTURE),
        "transform": lambda: convoy.transform(PICTURE),
        "embed": lambda: convoy.embed_faces(KNOWN),
        "identify": identify,
        "register": register,
        "health": health,
    }


@contextmanager
def under_load(convoy: Convoy, gallery: str) -> Iterator[Load]:
    """Callers, one for each kind of call, until the block ends; they register into a gallery that knows KNOWN."""
    load, stop = Load(gallery), threading.Event()
    todo = works(convoy.within(DEADLINE_S), load)
    load.outcomes = {work: [] for work in todo}

    def caller(work: str) -> None:
        while not stop.is_set():
            began, reason = time.monotonic(), "OK"
            try:
                todo[work]()
            except ConvoyError as error:
                reason = error.reason
            except AssertionError:
                reason = "WRONG_ANSWER"
            load.outcomes[work].append(Outcome(began, time.monotonic(), reason))
            stop.wait(PAUSE_S)

    threads = [threading.Thread(target=caller, args=(work,), daemon=True) for work in todo]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join(2 * DEADLINE_S)
