"""Each path is answered by its route: by name first, then by the patterns in their order."""

import asyncio
from typing import Any

import pytest
from convoy.web.paths import Paths
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def _answering(word: str) -> Any:
    async def answer(request: Request) -> Response:
        return Response(f"{word} {request.path_params} {request.scope['route'].path}")

    return answer


ROUTES = Paths(
    [
        Route("/{any}", _answering("pattern"), methods=["GET", "DELETE"]),
        Route("/named", _answering("named"), methods=["GET"]),
        Route("/named", _answering("posted"), methods=["POST"]),
        Route("/named", _answering("never"), methods=["POST"]),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/named", "named {} /named"),
        ("HEAD", "/named", "named {} /named"),
        ("POST", "/named", "posted {} /named"),
        ("DELETE", "/named", "pattern {'any': 'named'} /{any}"),
        ("GET", "/else", "pattern {'any': 'else'} /{any}"),
        ("PUT", "/named", "Method Not Allowed"),
        ("GET", "/named/", "Not Found"),
    ],
)
def test_a_path_has_its_route(method: str, path: str, said: str) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    asyncio.run(ROUTES(scope, receive, send))
    assert b"".join(message.get("body", b"") for message in sent).decode() == said
