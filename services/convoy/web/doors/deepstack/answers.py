"""Answers as DeepStack and CodeProject.AI give them; a client of either finds the fields that it reads."""

import time
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from convoy.core.errors import ConvoyError
from convoy.v1 import common_pb2
from convoy.web.json_messages import dump
from convoy.web.problems import headers_of, status_of

MODULE = "Convoy"
WRONG_KEY = "Incorrect api key"
NO_FACE = "no face detected"
NO_PICTURE = "No valid image file found"
_STATUS = {409: 400, 422: 400, 429: 503}
"""These systems know 400 for whatever is wrong with the request, and nothing of full queues."""
_SAID = {
    "NO_CREDENTIALS": WRONG_KEY,
    "BAD_CREDENTIALS": WRONG_KEY,
    "NO_FACE": NO_FACE,
    "NOT_AN_IMAGE": NO_PICTURE,
    "UNSUPPORTED_FORMAT": NO_PICTURE,
}


def succeed(request: Request, began: float, **facts: Any) -> Response:
    """A success with its facts. began: when the work did, by time.perf_counter."""
    took = round((time.perf_counter() - began) * 1000)
    command = request.scope["path"].rstrip("/").rpartition("/")[2] if request.scope.get("route") else ""
    answer = {"success": True, "code": 200, "command": command, "moduleId": MODULE, "moduleName": MODULE}
    times = {"duration": 0, "inferenceMs": took, "processMs": took, "analysisRoundTripMs": took}
    return _json(answer | facts | times | {"timestampUTC": datetime.now(UTC).isoformat(timespec="seconds")}, 200)


def respond(error: ConvoyError) -> Response:
    """An error: its sentence, or DeepStack's own where clients may look for it."""
    status = _STATUS.get(status_of(error), status_of(error))
    said = _SAID.get(error.reason, str(error))
    answer = {"success": False, "error": said, "code": status, "reason": error.reason, "duration": 0}
    return _json(answer, status, {k: v for k, v in headers_of(error).items() if k != "WWW-Authenticate"})


def place(box: common_pb2.Box) -> dict[str, int]:
    """A box in whole pixels."""
    return {
        "x_min": round(box.x_min),
        "y_min": round(box.y_min),
        "x_max": round(box.x_max),
        "y_max": round(box.y_max),
    }


def _json(answer: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(dump(answer), status, headers, "application/json")
