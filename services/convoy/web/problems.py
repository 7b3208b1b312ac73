"""Errors as HTTP: the status of each kind, and problem details (RFC 9457) with the reason that gRPC callers get."""

import math

from google.protobuf.message import Message
from starlette.responses import Response

from convoy.core.errors import ConvoyError, ResourceExhausted
from convoy.core.telemetry import request_id
from convoy.web.json_messages import dump, plain

STATUS = {
    "INVALID_ARGUMENT": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "FAILED_PRECONDITION": 422,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP status of a gRPC code; 500 for others."""
BY_REASON = {
    "MESSAGE_TOO_LARGE": 413,
    "IMAGE_TOO_LARGE": 413,
    "MESSAGE_TOO_SLOW": 408,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "METHOD_NOT_ALLOWED": 405,
    "UNKNOWN_HOST": 421,
}
"""HTTP status where HTTP has a better one for the reason."""
MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:convoy:"


def status_of(error: ConvoyError) -> int:
    """The HTTP status of an error."""
    return BY_REASON.get(error.reason, STATUS.get(error.code, 500))


def problem_of(error: ConvoyError) -> dict[str, object]:
    """The error as an object of RFC 9457, with members of our own: code, reason, metadata, hint."""
    problem: dict[str, object] = {
        "type": f"{TYPE_PREFIX}{error.reason}",
        "title": error.reason.replace("_", " ").capitalize(),
        "status": status_of(error),
        "detail": str(error),
        "code": error.code,
        "reason": error.reason,
        "request_id": request_id(),
    }
    if error.metadata:
        problem["metadata"] = error.metadata
    if error.hint:
        problem["hint"] = error.hint
    # What was found in each photo that Register refused, and the like.
    if details := [detail for detail in error.details if isinstance(detail, Message)]:
        problem["details"] = [{"type": detail.DESCRIPTOR.full_name} | plain(detail) for detail in details]
    return problem


def respond(error: ConvoyError) -> Response:
    """The HTTP answer for an error."""
    return Response(dump(problem_of(error)), status_of(error), headers_of(error), MEDIA_TYPE)


def headers_of(error: ConvoyError) -> dict[str, str]:
    """Retry-After in whole seconds where the error says when to try again; which credentials where they are missing."""
    headers = {}
    if isinstance(error, ResourceExhausted) and error.retry_delay_s:
        headers["Retry-After"] = str(math.ceil(error.retry_delay_s))
    elif error.code == "UNAVAILABLE":
        headers["Retry-After"] = "1"
    if error.reason == "METHOD_NOT_ALLOWED" and "allow" in error.metadata:
        headers["Allow"] = error.metadata["allow"]
    if error.code == "UNAUTHENTICATED":
        headers["WWW-Authenticate"] = "Bearer"
    return headers
