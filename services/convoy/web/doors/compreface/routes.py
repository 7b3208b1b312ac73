"""The table of CompreFace's paths."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from convoy.core.errors import PermissionDenied
from convoy.web.doors.compreface import pictures, records, search, subjects
from convoy.web.doors.compreface.refusals import NO_PATH, Refused, respond
from convoy.web.doors.frame import Desk, ForeignDoor
from convoy.web.doors.given import read_given
from convoy.web.doors.keys import bearer_of
from convoy.web.json_messages import dump

API, STATIC = "/api/v1/", "/static/"
_SUBJECTS, _FACES = "recognition/subjects", "recognition/faces"
Work = Callable[..., Awaitable[Any]]
_WORK: tuple[tuple[str, str, Work, int], ...] = (
    ("POST", _SUBJECTS, subjects.add, 201),
    ("GET", _SUBJECTS, subjects.list_all, 200),
    ("DELETE", _SUBJECTS, subjects.delete_all, 200),
    ("PUT", f"{_SUBJECTS}/{{subject:path}}", subjects.rename, 200),
    ("DELETE", f"{_SUBJECTS}/{{subject:path}}", subjects.delete, 200),
    ("POST", _FACES, records.add, 201),
    ("GET", _FACES, records.list_page, 200),
    ("DELETE", _FACES, records.delete_of, 200),
    ("POST", f"{_FACES}/delete", records.delete_several, 200),
    ("DELETE", f"{_FACES}/{{image_id}}", records.delete, 200),
    ("GET", f"{_FACES}/{{image_id}}/img", records.download, 200),
    ("POST", f"{_FACES}/{{image_id}}/verify", search.verify, 200),
    ("POST", "recognition/recognize", search.recognise, 200),
    ("POST", "detection/detect", pictures.detect, 200),
    ("POST", "verification/verify", pictures.compare, 200),
)
_NOT_OFFERED = (
    "recognition/embeddings/recognize",
    "recognition/embeddings/faces/{image_id}/verify",
    "verification/embeddings/verify",
)


def _routes(desk: Desk) -> Sequence[BaseRoute]:
    made = []
    for verb, path, work, status in _WORK:
        endpoint = _endpoint(desk, work, status)
        made.append(Route(API + path, endpoint, methods=[verb]))
        if not path.endswith(":path}"):
            # A name that is empty by mistake leaves the path of everybody with a slash behind it.
            slashed = _refuse_empty if verb == "DELETE" and path in (_SUBJECTS, _FACES) else endpoint
            made.append(Route(f"{API}{path}/", slashed, methods=[verb]))
    made += [Route(API + path, _refuse, methods=["POST"]) for path in _NOT_OFFERED]
    static = _endpoint(desk, records.download, 200)
    # One client writes the path twice.
    places = (STATIC + "{key}/images/{image_id}", f"/api/v1{STATIC}{{key}}/images/{{image_id}}")
    return [*made, *(Route(place, static, methods=["GET"]) for place in places)]


def _owns(scope: Scope) -> bool:
    return str(scope["path"]).startswith((API, STATIC))


def _endpoint(desk: Desk, work: Work, status: int) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        named = dict(request.path_params)
        key = named.pop("key", "") or request.headers.get("x-api-key", "") or bearer_of(request)
        # A wrong key is refused before the picture is kept.
        admission = await desk.admit(request, key)
        given = await read_given(request, desk.most_bytes)
        found = await work(desk.caller(request, admission), given, **named)
        if isinstance(found, Response):
            return found
        return Response(dump(found), status, media_type="application/json")

    return answer


async def _refuse_empty(request: Request) -> Response:
    raise Refused(NO_PATH, "the name or id is empty; to delete everything, leave the slash at the end out")


async def _refuse(request: Request) -> Response:
    raise PermissionDenied("NOT_OFFERED", "Convoy takes pictures, not embeddings")


COMPREFACE = ForeignDoor("compreface", _routes, _owns, respond)
