"""The Open Inference Protocol v2 over REST: /v2/health, /v2/models/..., infer with JSON and the binary extension."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convoy.web.calls import Backends


def routes(backends: Backends) -> list[Route]:
    """The routes of the protocol."""
    return [Route("/v2/health/live", _live, methods=["GET"])]


async def _live(request: Request) -> Response:
    return Response(b"{}", media_type="application/json")
