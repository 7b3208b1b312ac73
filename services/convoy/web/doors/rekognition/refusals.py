"""Errors by the names that SDKs make exceptions of."""

from starlette.responses import Response

from convoy.core.errors import ConvoyError
from convoy.core.telemetry import request_id
from convoy.web.json_messages import dump
from convoy.web.problems import headers_of, status_of

JSON = "application/x-amz-json-1.1"
_BY_REASON = {
    "GALLERY_FULL": "ServiceQuotaExceededException",
    "IMAGE_TOO_LARGE": "ImageTooLargeException",
    "PICTURE_ELSEWHERE": "InvalidS3ObjectException",
    "MESSAGE_TOO_LARGE": "ImageTooLargeException",
    "METHOD_NOT_ALLOWED": "UnknownOperationException",
    "NOT_AN_IMAGE": "InvalidImageFormatException",
    "NOT_OFFERED": "UnknownOperationException",
    "NO_SUCH_PATH": "UnknownOperationException",
    "TOO_MANY_PIXELS": "ImageTooLargeException",
    "UNSUPPORTED_FORMAT": "InvalidImageFormatException",
}
_BY_CODE = {
    "ALREADY_EXISTS": "ResourceAlreadyExistsException",
    "NOT_FOUND": "ResourceNotFoundException",
    "PERMISSION_DENIED": "AccessDeniedException",
    "RESOURCE_EXHAUSTED": "ThrottlingException",
    "UNAUTHENTICATED": "UnrecognizedClientException",
}
INVALID, BROKEN = "InvalidParameterException", "InternalServerError"


def respond(error: ConvoyError) -> Response:
    """The HTTP answer for an error: 400 for what the client can mend, as Rekognition has it."""
    status = status_of(error)
    name = _BY_REASON.get(error.reason) or _BY_CODE.get(error.code) or (INVALID if status < 500 else BROKEN)
    headers = {k: v for k, v in headers_of(error).items() if k == "Retry-After"} | head()
    answer = {"__type": name, "Message": str(error)}
    return Response(dump(answer), 400 if status < 500 else status, headers | {"x-amzn-errortype": name}, JSON)


def succeed(answer: dict[str, object]) -> Response:
    """The HTTP answer for a result."""
    return Response(dump(answer), 200, head(), JSON)


def head() -> dict[str, str]:
    """The header by which SDKs know a request."""
    return {"x-amzn-requestid": request_id()}
