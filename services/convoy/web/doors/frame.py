"""What a door is: routes, the paths that are its own, and how it tells an error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from convoy.core.errors import ConvoyError, Unauthenticated
from convoy.core.setting_groups import DoorName
from convoy.web.calls import Backends
from convoy.web.connect import JSON_GROWTH
from convoy.web.doors.calls import Caller
from convoy.web.doors.keys import Admission, Keys
from convoy.web.doors.places import Places
from convoy.web.problems import respond
from convoy.web.requests import discard

Respond = Callable[[ConvoyError], Response]


@dataclass(frozen=True)
class Desk:
    """What the routes of every door need."""

    backends: Backends
    keys: Keys
    places: Places = field(default_factory=Places)

    @property
    def most_bytes(self) -> int:
        """The largest message of a service."""
        return self.backends.most_bytes

    async def admit(self, request: Request, key: str) -> Admission:
        """What a key opens that came before the body. Raises Unauthenticated(NO_CREDENTIALS, BAD_CREDENTIALS)."""
        try:
            return self.keys.admit(key)
        except Unauthenticated:
            await discard(request, round(self.most_bytes * JSON_GROWTH))
            raise

    def caller(self, request: Request, admission: Admission) -> Caller:
        """Who calls. The body must have been read."""
        return Caller(request, self.backends, admission, self.places)


@dataclass(frozen=True)
class ForeignDoor:
    """One door. owns: whether a request is for it; respond: an error in the words of the system that it stands for."""

    name: DoorName
    routes: Callable[[Desk], Sequence[BaseRoute]]
    owns: Callable[[Scope], bool]
    respond: Respond


def voice(doors: Sequence[ForeignDoor], *, alone: bool = False) -> Callable[[Scope], Respond]:
    """How errors are told for a request; by problems of Convoy's where it is for none of the doors.

    alone: the one door has the port to itself, so every request is for it.
    """

    def respond_of(scope: Scope) -> Respond:
        owner = next((door for door in doors if alone or door.owns(scope)), None)
        return respond if owner is None else owner.respond

    return respond_of
