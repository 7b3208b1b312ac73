"""The table of DeepStack's paths."""

import time
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from convoy.core.errors import PermissionDenied
from convoy.web.doors.deepstack import faces, objects
from convoy.web.doors.deepstack.answers import respond, succeed
from convoy.web.doors.frame import Desk, ForeignDoor
from convoy.web.doors.given import Given, read_given
from convoy.web.doors.keys import bearer_of

VISION, STATUS = "/v1/vision/", "/v1/status/"
Work = Callable[..., Awaitable[dict[str, object]]]
_NOT_OFFERED = ("/v1/vision/enhance", "/v1/backup", "/v1/restore", "/v1/vision/alpr")
_WORK: dict[str, Work] = {
    "detection": objects.detect,
    "custom/list": objects.list_models,
    "custom/{model}": objects.detect_by,
    "scene": objects.scene,
    "face": faces.find,
    "face/register": faces.register,
    "face/recognize": faces.recognise,
    "face/list": faces.list_names,
    "face/delete": faces.delete,
    "face/match": faces.match,
}


def deepstack(token: str) -> ForeignDoor:
    """The door. token: for clients that send no key; empty for none."""

    def routes(desk: Desk) -> Sequence[BaseRoute]:
        made = [
            Route(VISION + path, _endpoint(desk, work, token), methods=_verbs(path)) for path, work in _WORK.items()
        ]
        made += [Route(STATUS + path, _status, methods=["GET", "POST"]) for path in ("ping", "updateavailable")]
        return made + [Route(path, _refuse, methods=["GET", "POST"]) for path in _NOT_OFFERED]

    return ForeignDoor("deepstack", routes, _owns, respond)


def _owns(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith((VISION, STATUS)) or path in _NOT_OFFERED


def _verbs(path: str) -> list[str]:
    return ["GET", "POST"] if path in ("custom/list", "face/list") else ["POST"]


def _endpoint(desk: Desk, work: Work, token: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        began = time.perf_counter()
        given: Given = await read_given(request, desk.most_bytes)
        key = given.text("api_key") or bearer_of(request) or token
        caller = desk.caller(request, desk.keys.admit(key))
        return succeed(request, began, **await work(caller, given, **request.path_params))

    return answer


async def _status(request: Request) -> Response:
    about = {"message": "Convoy", "current": {"major": 0, "minor": 0, "patch": 0}, "updateAvailable": False}
    return succeed(request, time.perf_counter(), **about)


async def _refuse(request: Request) -> Response:
    raise PermissionDenied("NOT_OFFERED", "Endpoint not activated: Convoy does not offer it")
