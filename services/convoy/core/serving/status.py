"""Turns errors into gRPC statuses, and a call's time limit into a deadline."""

import time
from contextvars import ContextVar
from typing import Any, TypeAlias

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from convoy.core import errors
from convoy.core.telemetry import request_id
from convoy.v1 import common_pb2

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
DOMAIN = "convoy"
# gRPC clients refuse trailers above 8 KiB, and a sentence or a detail may quote something long.
MOST_TEXT_BYTES = 600
MOST_HINT_BYTES = 200
MOST_DETAIL_BYTES = 3000
STATUS_KEY = "grpc-status-details-bin"

_TYPES = "type.googleapis.com/"


_hidden: ContextVar[tuple[str, str]] = ContextVar("hidden", default=("", ""))


def hide_name(real: str, shown: str) -> None:
    """In errors of the current call, write `shown` where a message quotes `real`, and where a fact is `real`."""
    _hidden.set((real, shown))


def _told(error: errors.ConvoyError) -> tuple[str, dict[str, str]]:
    """The message and the facts of an error as its caller may see them."""
    real, shown = _hidden.get()
    if not real:
        return error.message, error.metadata
    message = error.message.replace(f"'{real}'", f"'{shown}'")
    return message, {key: shown if value == real else value for key, value in error.metadata.items()}


def to_status(error: BaseException) -> status_pb2.Status:
    """Turn an error into a google.rpc.Status with ErrorInfo. Foreign errors become INTERNAL with the request's id."""
    if not isinstance(error, errors.ConvoyError):
        info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"request_id": request_id()})
        message = f"internal error; the log has the details under request id {request_id()}"
        return _status(grpc.StatusCode.INTERNAL, message, [info])
    message, facts = _told(error)
    facts = {key: _short(value, MOST_TEXT_BYTES) for key, value in facts.items()}
    message, hint = _short(message, MOST_TEXT_BYTES), _short(error.hint, MOST_HINT_BYTES)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=facts | _named(hint))
    details: list[Message] = [info]
    details += [d for d in error.details if isinstance(d, Message) and d.ByteSize() <= MOST_DETAIL_BYTES]
    if isinstance(error, errors.ResourceExhausted):
        seconds, ms = divmod(max(1, round(error.retry_delay_s * 1000)), 1000)
        delay = duration_pb2.Duration(seconds=seconds, nanos=ms * 1_000_000)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(grpc.StatusCode[error.code], errors.with_hint(message, hint), details)


def stream_error(error: errors.ConvoyError) -> common_pb2.Error:
    """Turn an error into the answer to one message of a stream."""
    code = grpc.StatusCode[error.code].value[0]
    message, facts = _told(error)
    text = errors.with_hint(message, error.hint)
    return common_pb2.Error(code=code, reason=error.reason, message=text, metadata=facts | _named(error.hint))


def deadline(context: Context) -> float | None:
    """Return when the caller stops waiting, on time.monotonic's clock; None for never."""
    remaining_s = context.time_remaining()
    return None if remaining_s is None else time.monotonic() + remaining_s


def _named(hint: str) -> dict[str, str]:
    """Add the hint to the metadata. The message contains it too, for clients that do not know hints."""
    return {errors.HINT_KEY: hint} if hint else {}


def _short(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")


def _status(code: grpc.StatusCode, message: str, details: list[Message]) -> status_pb2.Status:
    packed = [any_pb2.Any(type_url=_TYPES + d.DESCRIPTOR.full_name, value=d.SerializeToString()) for d in details]
    return status_pb2.Status(code=code.value[0], message=message, details=packed)
