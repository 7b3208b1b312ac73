"""Turns errors into gRPC statuses, and a call's time limit into a deadline."""

import random
import time
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


def to_status(error: BaseException) -> status_pb2.Status:
    """Turn an error into a google.rpc.Status with ErrorInfo. Foreign errors become INTERNAL with the request's id."""
    if not isinstance(error, errors.ConvoyError):
        info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"request_id": request_id()})
        message = f"internal error; the log has the details under request id {request_id()}"
        return _status(grpc.StatusCode.INTERNAL, message, [info])
    facts = {key: _short(value, MOST_TEXT_BYTES) for key, value in error.metadata.items()}
    message, hint = _short(error.message, MOST_TEXT_BYTES), _short(error.hint, MOST_HINT_BYTES)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=facts | _named(hint))
    details: list[Message] = [info]
    details += [d for d in error.details if isinstance(d, Message) and d.ByteSize() <= MOST_DETAIL_BYTES]
    if isinstance(error, errors.ResourceExhausted):
        # Callers who were refused together must not come back together.
        delay_s = error.retry_delay_s * random.uniform(1.0, 1.5)
        seconds, ms = divmod(max(1, round(delay_s * 1000)), 1000)
        delay = duration_pb2.Duration(seconds=seconds, nanos=ms * 1_000_000)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(grpc.StatusCode[error.code], errors.with_hint(message, hint), details)


def stream_error(error: errors.ConvoyError) -> common_pb2.Error:
    """Turn an error into the answer to one message of a stream."""
    code = grpc.StatusCode[error.code].value[0]
    facts = error.metadata | _named(error.hint)
    return common_pb2.Error(code=code, reason=error.reason, message=str(error), metadata=facts)


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
