"""What can go wrong, as one tree. Interceptors turn each kind into one gRPC status; the reason goes along as ErrorInfo.

ConvoyError
├── InvalidArgument      INVALID_ARGUMENT      the caller can mend it by sending something else
├── NotFound             NOT_FOUND             no such model, gallery, person, face
├── AlreadyExists        ALREADY_EXISTS        it is there already
├── FailedPrecondition   FAILED_PRECONDITION   well formed, but not on this picture, gallery or model
├── ResourceExhausted    RESOURCE_EXHAUSTED    a queue or quota is full; says when to try again
├── DeadlineExceeded     DEADLINE_EXCEEDED     the caller's time is over
├── Unauthenticated      UNAUTHENTICATED       no or bad credentials
├── PermissionDenied     PERMISSION_DENIED     known, but not allowed
└── Unavailable          UNAVAILABLE           Redis or another service is away; repeating may help
"""

from collections.abc import Mapping


class ConvoyError(Exception):
    """A failure that the caller is told about.

    reason: stable upper-case word for programs; message: one sentence for people; metadata: facts behind it;
    details: protobuf messages to send along (typed loosely, since only the RPC layer knows protobuf).
    """

    def __init__(
        self,
        reason: str,
        message: str,
        metadata: Mapping[str, object] | None = None,
        details: tuple[object, ...] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = {key: str(value) for key, value in (metadata or {}).items()}
        self.details = details


class InvalidArgument(ConvoyError):
    """The caller sent something that cannot be worked on."""


class NotFound(ConvoyError):
    """What the caller names is not there."""


class AlreadyExists(ConvoyError):
    """What the caller wants to make is there already."""


class FailedPrecondition(ConvoyError):
    """The request is well formed but does not fit this picture, gallery or model."""


class ResourceExhausted(ConvoyError):
    """A bound was reached; `retry_delay_s` says when trying again makes sense."""

    def __init__(
        self, reason: str, message: str, retry_delay_s: float, metadata: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(reason, message, metadata)
        self.retry_delay_s = retry_delay_s


class DeadlineExceeded(ConvoyError):
    """The caller's time is over."""


class Unauthenticated(ConvoyError):
    """No credentials, or bad ones."""


class PermissionDenied(ConvoyError):
    """The caller is known but not allowed to do this."""


class Unavailable(ConvoyError):
    """Something this service needs is away for now."""
