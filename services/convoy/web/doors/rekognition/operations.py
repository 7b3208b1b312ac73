"""The table of operations. All are `POST /`; the header X-Amz-Target names the operation.

The signature of a request cannot be checked, since only hashes of tokens are kept: the access key id is the token, as a
bearer token is, and the secret may be anything. So it needs TLS wherever a network lies between.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from convoy.core.errors import PermissionDenied
from convoy.web.connect import JSON_GROWTH
from convoy.web.doors.frame import Desk, ForeignDoor
from convoy.web.doors.given import read_json
from convoy.web.doors.rekognition import collections, pictures, records, search
from convoy.web.doors.rekognition.fields import Fields
from convoy.web.doors.rekognition.refusals import respond, succeed
from convoy.web.requests import body

TARGET, PREFIX = "x-amz-target", "RekognitionService."
_CREDENTIAL = re.compile(r"Credential=([^/,\s]{1,512})/")
Work = Callable[..., Awaitable[dict[str, Any]]]
_WORK: dict[str, Work] = {
    "CreateCollection": collections.create,
    "ListCollections": collections.list_all,
    "DescribeCollection": collections.describe,
    "DeleteCollection": collections.delete,
    "IndexFaces": records.index,
    "ListFaces": records.list_page,
    "DeleteFaces": records.delete,
    "SearchFaces": search.by_face,
    "SearchFacesByImage": search.by_image,
    "CompareFaces": pictures.compare_faces,
    "DetectFaces": pictures.detect_faces,
    "DetectLabels": pictures.detect_labels,
}


class _Operation(Route):
    """`POST /` with the header that names one operation; with an empty name, any."""

    def __init__(self, name: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        super().__init__("/", endpoint, methods=["POST"])
        self._target = PREFIX + name if name else ""
        # The log names the operation.
        self.path = f"/{PREFIX}{name}"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Nothing but the very operation: the console answers at the same path."""
        target = Headers(scope=scope).get(TARGET) if scope["type"] == "http" else None
        if not target or scope["method"] != "POST" or (self._target and target != self._target):
            return Match.NONE, {}
        return super().matches(scope)


def _routes(desk: Desk) -> Sequence[BaseRoute]:
    return [*(_Operation(name, _endpoint(desk, work)) for name, work in _WORK.items()), _Operation("", _refuse)]


def _owns(scope: Scope) -> bool:
    return scope["path"] == "/" and TARGET in Headers(scope=scope)


def _endpoint(desk: Desk, work: Work) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        admission = await desk.admit(request, key_of(request))
        content = await body(request, round(desk.most_bytes * JSON_GROWTH))
        return succeed(await work(desk.caller(request, admission), Fields(read_json(content or b"{}"))))

    return answer


def key_of(request: Request) -> str:
    """The access key id of the signature; empty for none."""
    found = _CREDENTIAL.search(request.headers.get("authorization", ""))
    return found[1] if found else ""


async def _refuse(request: Request) -> Response:
    raise PermissionDenied("NOT_OFFERED", "Convoy does not offer this operation")


REKOGNITION = ForeignDoor("rekognition", _routes, _owns, respond)
