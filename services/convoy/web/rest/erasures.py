"""/v1/galleries/{gallery}/erasures/{version}: the receipt of an erasure, as the gallery's audit has it.

A receipt is a text of the audit's facts and its SHA-256. Nothing is stored for it: who asks again gets the same text
and the same digest as long as the audit says the same, so the audit bears a printed receipt out.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convoy.core.errors import InvalidArgument, NotFound
from convoy.v1 import recognition_pb2
from convoy.web.calls import Backends
from convoy.web.json_messages import dump, plain
from convoy.web.methods import methods
from convoy.web.requests import body

ERASING = frozenset({"DeletePerson", "DeleteFace", "DeleteGallery", "Expire", "EraseAgain"})
"""What the audit calls an erasure."""
_MOST_DIGITS = 18


def routes(backends: Backends) -> list[Route]:
    """The route."""
    return [Route("/v1/galleries/{gallery}/erasures/{version}", _receipt(backends), methods=["GET"])]


def _receipt(backends: Backends) -> Callable[[Request], Awaitable[Response]]:
    method = methods()["/convoy.v1.RecognitionService/ListAuditEvents"]

    async def answer(request: Request) -> Response:
        await body(request, 0)
        gallery, version = request.path_params["gallery"], _number(request.path_params["version"])
        # A page of the audit begins before the version that its token names.
        asked = recognition_pb2.ListAuditEventsRequest(gallery=gallery, page_size=1, page_token=str(version + 1))
        found = await backends.ask(request, method, "recognition", asked)
        event = next((event for event in found.events if event.version == version), None)
        if event is None or event.action not in ERASING:
            raise NotFound("NO_SUCH_ERASURE", f"version {version} of this gallery is no erasure")
        facts = plain(event)
        hashed = json.dumps({"gallery": gallery} | facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(hashed.encode()).hexdigest()
        made = {"gallery": gallery, "erasure": facts, "hashed": hashed, "sha256": digest}
        return Response(dump(made), media_type="application/json")

    return answer


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text)):
        raise InvalidArgument("BAD_ARGUMENT", f"{text[:40]!r} is no version of a gallery")
    return int(text)
