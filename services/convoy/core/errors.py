"""What can go wrong, as one tree. Each kind carries its gRPC status code; the reason goes to the caller as ErrorInfo.

ConvoyError
├── InvalidArgument      INVALID_ARGUMENT      the caller must send something else
├── NotFound             NOT_FOUND             no such model, gallery, person or face
├── AlreadyExists        ALREADY_EXISTS        what the caller wants to make exists already
├── FailedPrecondition   FAILED_PRECONDITION   well formed, but it does not fit this picture, gallery or model
├── ResourceExhausted    RESOURCE_EXHAUSTED    a queue or quota is full; says when to try again
├── DeadlineExceeded     DEADLINE_EXCEEDED     the caller's deadline has passed
├── Unauthenticated      UNAUTHENTICATED       no credentials, or bad ones
├── PermissionDenied     PERMISSION_DENIED     known, but not allowed
└── Unavailable          UNAVAILABLE           Redis or another service does not answer; a retry may help
"""

from collections.abc import Mapping
from typing import Any

HINT_KEY = "hint"
"""The hint's key in the metadata that goes to the caller."""


class ConvoyError(Exception):
    """A failure that the caller is told about.

    reason: stable upper-case word for programs; message: one sentence for people; metadata: the facts behind it;
    details: protobuf messages to send along (typed loosely, since only the RPC layer knows protobuf); hint: what to do
    about it, a sentence without a full stop. `str(error)` is message and hint. request_id: for callers, the id under
    which the service's log has the call; empty when no service answered. You can pickle and copy errors.
    """

    code: str = "UNKNOWN"
    """The name of the gRPC status that the caller gets."""

    def __init__(
        self,
        reason: str,
        message: str,
        metadata: Mapping[str, object] | None = None,
        details: tuple[object, ...] = (),
        *,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = {key: str(value) for key, value in (metadata or {}).items()}
        self.details = details
        self.hint = hint
        self.request_id = ""

    def __str__(self) -> str:
        return with_hint(self.message, self.hint)

    def __reduce__(self) -> tuple[Any, ...]:
        # By default, unpickling calls the class with the message alone. That fails, and breaks a process pool.
        return _restore, (type(self), self.args), self.__dict__


def with_hint(message: str, hint: str) -> str:
    """The sentence that people read: what is wrong, then what to do about it."""
    return f"{message}; {hint}" if hint else message


def without_hint(text: str, hint: str) -> str:
    """Undo `with_hint`: return the message in `text`."""
    return text.removesuffix(f"; {hint}") if hint else text


def _restore(kind: type[ConvoyError], args: tuple[object, ...]) -> ConvoyError:
    """Make an empty error, which pickle and copy then fill."""
    return kind.__new__(kind, *args)


class InvalidArgument(ConvoyError):
    """The service cannot work on what the caller sent."""

    code = "INVALID_ARGUMENT"


class NotFound(ConvoyError):
    """What the caller names does not exist."""

    code = "NOT_FOUND"


class AlreadyExists(ConvoyError):
    """What the caller wants to make exists already."""

    code = "ALREADY_EXISTS"


class FailedPrecondition(ConvoyError):
    """The request is well formed but does not fit this picture, gallery or model."""

    code = "FAILED_PRECONDITION"


class ResourceExhausted(ConvoyError):
    """A queue or quota is full; `retry_delay_s` says when to try again."""

    code = "RESOURCE_EXHAUSTED"

    def __init__(
        self,
        reason: str,
        message: str,
        retry_delay_s: float,
        metadata: Mapping[str, object] | None = None,
        *,
        hint: str = "",
    ) -> None:
        super().__init__(reason, message, metadata, hint=hint)
        self.retry_delay_s = retry_delay_s


class DeadlineExceeded(ConvoyError):
    """The caller's deadline has passed."""

    code = "DEADLINE_EXCEEDED"


class Unauthenticated(ConvoyError):
    """The call came without credentials, or with bad ones."""

    code = "UNAUTHENTICATED"


class PermissionDenied(ConvoyError):
    """The caller is known but not allowed to do this."""

    code = "PERMISSION_DENIED"


class Unavailable(ConvoyError):
    """Something that this service needs does not answer now."""

    code = "UNAVAILABLE"


KINDS: dict[str, type[ConvoyError]] = {kind.code: kind for kind in ConvoyError.__subclasses__()}
"""Return the kind of error for a gRPC status code, by the code's name: the inverse of `code`."""
