"""Errors as CompreFace tells them: a sentence, and a number by which its clients know what is wrong."""

from starlette.responses import Response

from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.web.json_messages import dump
from convoy.web.problems import headers_of, status_of

NO_MODEL, BAD_COUNT, NO_HEADER, BAD_FILE, INVALID, NO_FACE, SEVERAL_FACES = 10, 12, 20, 21, 26, 28, 31
NO_PARAMETER, NO_PART, NO_PATH, BAD_ARGUMENT = 33, 34, 35, 36
NO_SERVICE, NO_SUBJECT, SUBJECT_EXISTS, NO_EMBEDDING = 41, 42, 43, 44
UNDEFINED = 0
_BY_REASON = {
    "NO_CREDENTIALS": (400, NO_HEADER),
    "BAD_CREDENTIALS": (404, NO_MODEL),
    "NO_FACE": (400, NO_FACE),
    "SEVERAL_FACES": (400, SEVERAL_FACES),
    "PERSON_NOT_FOUND": (404, NO_SUBJECT),
    "PERSON_EXISTS": (400, SUBJECT_EXISTS),
    "FACE_NOT_FOUND": (404, NO_EMBEDDING),
    "NOT_AN_IMAGE": (400, BAD_FILE),
    "UNSUPPORTED_FORMAT": (400, BAD_FILE),
    "IMAGE_TOO_LARGE": (400, BAD_FILE),
    "METHOD_NOT_ALLOWED": (404, UNDEFINED),
    "NO_SUCH_PATH": (404, UNDEFINED),
    "NOT_OFFERED": (404, UNDEFINED),
    "BAD_ARGUMENT": (400, INVALID),
}
_BY_STATUS = {429: (503, NO_SERVICE), 503: (503, NO_SERVICE), 504: (504, NO_SERVICE), 500: (500, NO_SERVICE)}
_SAID = {
    "NO_CREDENTIALS": "the header x-api-key is missing",
    "BAD_CREDENTIALS": "no service has this API key",
    "NO_FACE": "No face is found in the given image",
    "SEVERAL_FACES": "Found more than one face in the given image",
}
"""Sentences that clients look for, and those that speak of keys as CompreFace does."""


class Refused(InvalidArgument):
    """A request with something wrong that has a number of its own."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__("BAD_ARGUMENT", message)
        self.number = number


def respond(error: ConvoyError) -> Response:
    """The HTTP answer for an error."""
    status = status_of(error)
    if isinstance(error, Refused):
        status, number = 400, error.number
    elif error.reason in _BY_REASON:
        status, number = _BY_REASON[error.reason]
    elif status in (400, 409, 422):
        status, number = 400, BAD_ARGUMENT
    else:
        status, number = _BY_STATUS.get(status, (status, UNDEFINED))
    headers = {name: value for name, value in headers_of(error).items() if name == "Retry-After"}
    return Response(dump({"message": _message(error), "code": number}), status, headers, "application/json")


def _message(error: ConvoyError) -> str:
    if error.reason in _SAID:
        return _SAID[error.reason]
    # What Convoy refuses and CompreFace would not (BLURRED, IDENTITY_CONFLICT): cameras' programs print the sentence.
    return f"{error.reason}: {error}" if error.code == "FAILED_PRECONDITION" else str(error)
