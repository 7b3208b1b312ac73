"""The application: which route answers what, from the settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from convoy.client.channels import Connection
from convoy.core.pictures.decoding import Limits
from convoy.core.serving.room import Room
from convoy.core.setting_groups import DoorName
from convoy.core.settings import Settings
from convoy.web import connect, open_inference
from convoy.web.calls import Backends
from convoy.web.clients import Clients
from convoy.web.door import EXPOSED_HEADERS, Door, RespondOf
from convoy.web.doors.frame import Desk, voice
from convoy.web.doors.keys import Keys
from convoy.web.doors.opening import open_doors, own_ports
from convoy.web.holding import Holding, make_drawing_room, make_room
from convoy.web.paths import Paths
from convoy.web.rest import erasures, fleet, openapi, transfer
from convoy.web.rest import routes as rest

CONSOLE = Path(__file__).parent / "console"


@dataclass(frozen=True)
class Applications:
    """What `build` makes. own: a door for others' clients that has a port to itself, with that port."""

    main: ASGIApp
    own: Sequence[tuple[DoorName, int, ASGIApp]]
    backends: Backends


def build(settings: Settings, connection: Connection) -> Applications:
    """The applications and their channels, which the caller closes.

    Raises InvalidArgument(BAD_ARGUMENT), FailedPrecondition(NO_FILE, BAD_TOKENS_FILE).
    """
    doors, ports = open_doors(settings), own_ports(settings)
    clients = Clients(settings.web_proxies, settings.door_secret.get_secret_value())
    backends = Backends(connection, clients)
    budget = None if settings.message_memory_mb is None else settings.message_memory_mb * 2**20
    room = make_room(round(connection.max_message_bytes * connect.JSON_GROWTH), budget)

    def hold(scope: Scope) -> Holding:
        return Holding(room, clients.address_of(Request(scope)))

    limits = Limits(settings.max_image_mb * 2**20, settings.max_image_pixels)
    desk = Desk(backends, Keys(settings)) if doors else None
    drawing_room = make_drawing_room(limits, budget)
    foreign = [route for door in doors for route in door.routes(desk)] if desk else []
    application: ASGIApp = Paths(
        [*foreign, *_routes(backends, limits, drawing_room)], _Console(directory=CONSOLE, html=True)
    )
    if settings.web_origins:
        application = CORSMiddleware(
            application,
            allow_origins=[origin.lower().rstrip("/") for origin in settings.web_origins],
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS.split(", "),
        )

    def behind(inner: ASGIApp, respond_of: RespondOf) -> Door:
        return Door(inner, hold, settings.web_hosts, settings.web_origins, respond_of)

    own = [
        (
            door.name,
            ports[door.name],
            behind(Paths(door.routes(desk)), voice([door], alone=True)),
        )
        for door in doors
        if desk and door.name in ports
    ]
    return Applications(behind(application, voice(doors)), own, backends)


def _routes(backends: Backends, limits: Limits, drawing_room: Room) -> list[BaseRoute]:
    return [
        *rest.routes(backends, limits, drawing_room),
        *fleet.routes(backends),
        *transfer.routes(backends),
        *erasures.routes(backends),
        *open_inference.routes(backends),
        *connect.routes(backends),
        Route("/docs", _docs, methods=["GET"]),
        Route("/openapi.json", openapi.endpoint(), methods=["GET"]),
    ]


async def _docs(request: Request) -> Response:
    return FileResponse(CONSOLE / "docs.html")


class _Console(StaticFiles):
    """The files of the console. What else is not there is not found, whatever the method."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file. Raises HTTPException."""
        if scope["method"] not in ("GET", "HEAD") and scope["path"] != "/":
            raise HTTPException(404)
        await super().__call__(scope, receive, send)

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        """A file that browsers keep, and ask each time whether it is still the same."""
        response = super().file_response(*arguments, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response
