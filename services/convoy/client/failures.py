"""Turns a failed call into one of Convoy's errors, with the reason and the facts that the service sent."""

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from convoy.client.answers.recognition import read_registration
from convoy.client.proxies import is_near
from convoy.client.reachability import is_dead
from convoy.core import errors
from convoy.core.client_settings import proxy
from convoy.v1 import common_pb2, recognition_pb2

TLS_FAILED = ("handshake", "ssl", "certificate")
"""gRPC's message about a connection whose TLS failed contains one of these."""
REQUEST_ID_KEY = "x-request-id"
DETAILS_KEY = "grpc-status-details-bin"
DETAIL_TYPES: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.RetryInfo,
    recognition_pb2.RegisterResponse,
)


def read_failure(call: grpc.RpcError, service: str, address: str, request: Message | None = None) -> errors.ConvoyError:
    """The error for a failed call. `details` has a Registration if every photo was refused.

    A code without a class of its own (INTERNAL, UNIMPLEMENTED, ...) gives a plain ConvoyError with the code as reason.
    If the request named a missing gallery by an alias, the message names the alias too. A call that ran out of time
    makes this look who listens at the address, which may take a second: in an event loop it does not look.
    """
    error = _read(call, service, address, request)
    sent: Any = call.trailing_metadata() or ()
    error.request_id = next((str(value) for key, value in sent if key == REQUEST_ID_KEY), "")
    return error


def _read(call: grpc.RpcError, service: str, address: str, request: Message | None) -> errors.ConvoyError:
    code, message = call.code(), call.details() or "no explanation was given"
    facts = _read_details(call)
    info = next((fact for fact in facts if isinstance(fact, error_details_pb2.ErrorInfo)), None)
    if info is None:
        return _without_reason(code, message, service, address, may_look=not _keeps_others(call))
    error = _error(code, info.reason, message, info.metadata, _retry_delay_s(facts))
    error.details = tuple(read_registration(f) for f in facts if isinstance(f, recognition_pb2.RegisterResponse))
    if info.reason == "GALLERY_NOT_FOUND":
        asked, missing = _gallery_of(request), info.metadata.get("gallery", "")
        error.message += f", for which the alias {asked!r} stands" if asked and missing and asked != missing else ""
    return error


def _error(
    code: grpc.StatusCode, reason: str, text: str, metadata: Mapping[str, str], retry_delay_s: float = 0.0
) -> errors.ConvoyError:
    """The error of a code's kind, with the hint taken out of the text."""
    facts = dict(metadata)
    hint = facts.pop(errors.HINT_KEY, "")
    message = errors.without_hint(text, hint)
    kind = errors.KINDS.get(code.name, errors.ConvoyError)
    if kind is errors.ResourceExhausted:
        return errors.ResourceExhausted(reason, message, retry_delay_s, facts, hint=hint)
    error = kind(reason, message, facts, hint=hint)
    error.code = code.name
    return error


def _gallery_of(request: Message | None) -> str:
    """The gallery that a request names, if it names one."""
    gallery = getattr(getattr(request, "person", request), "gallery", "")
    return gallery if isinstance(gallery, str) else ""


def read_stream_error(error: common_pb2.Error) -> errors.ConvoyError:
    """The error of one message of a stream. The stream itself goes on."""
    code = next((code for code in grpc.StatusCode if code.value[0] == error.code), grpc.StatusCode.UNKNOWN)
    return _error(code, error.reason, error.message, error.metadata)


def _keeps_others(call: grpc.RpcError) -> bool:
    """Whether this runs in the event loop of the call, and so would keep all others in it waiting."""
    if not isinstance(call, grpc.aio.AioRpcError):
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _without_reason(
    code: grpc.StatusCode, message: str, service: str, address: str, may_look: bool
) -> errors.ConvoyError:
    """The error for a failure that gRPC found itself, so that no service gave a reason."""
    metadata = {"service": service, "address": address}
    if code in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
    ):  # CANCELLED: the server stopped during the call
        text = f"the {service} service cannot be reached at {address}"
        if any(word in message.lower() for word in TLS_FAILED):
            text += ": client and server do not agree on TLS; check CONVOY_CLIENT_TLS and CONVOY_CLIENT_CA"
        return errors.Unavailable("SERVICE_UNREACHABLE", text + _through(address), metadata | {"cause": message})
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and may_look and not _through(address) and is_dead(address):
        # gRPC tried again and again until the time was over; nobody listens there.
        text = f"the {service} service cannot be reached at {address}"
        return errors.Unavailable("SERVICE_UNREACHABLE", text, metadata | {"cause": message})
    if code is grpc.StatusCode.UNIMPLEMENTED:
        text = f"what answers at {address} is no {service} service, or one of another version"
        return _error(code, code.name, text, metadata | {"cause": message})
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        text = f"the {service} service at {address} did not answer in time" + _through(address)
        return errors.DeadlineExceeded("DEADLINE_EXCEEDED", text, metadata)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in message:
        text = "the pictures of this call are together larger than a message may be"
        return errors.InvalidArgument("MESSAGE_TOO_LARGE", text, metadata | {"cause": message})
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return errors.ResourceExhausted("RESOURCE_EXHAUSTED", message, 0.0, metadata)
    return _error(code, code.name, f"the {service} service: {message}", metadata)


def _through(address: str) -> str:
    """Name the proxy that stands between, if there is one."""
    found = "" if is_near(address) else proxy()
    return f": the environment sends the call through the proxy {found}; name the host in no_proxy" if found else ""


def _read_details(call: grpc.RpcError) -> list[Message]:
    """The messages in google.rpc.Status whose types are known here."""
    trailing: dict[str, Any] = dict(call.trailing_metadata() or ())  # type: ignore[arg-type]
    status = status_pb2.Status.FromString(trailing.get(DETAILS_KEY, b""))
    return [message for detail in status.details if (message := _unpack(detail)) is not None]


def _unpack(detail: any_pb2.Any) -> Message | None:
    for kind in DETAIL_TYPES:
        if detail.TypeName() == kind.DESCRIPTOR.full_name:
            return kind.FromString(detail.value)
    return None


def _retry_delay_s(facts: list[Message]) -> float:
    delays = (fact.retry_delay for fact in facts if isinstance(fact, error_details_pb2.RetryInfo))
    return next((delay.seconds + delay.nanos / 1e9 for delay in delays), 0.0)
