"""What a service answered instead of a result: as google.rpc.Status for Connect, as one of Convoy's errors for REST."""

import grpc
import grpc.aio
import structlog
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

from convoy.client.failures import read_failure
from convoy.core.api import ServiceName
from convoy.core.errors import ConvoyError
from convoy.core.serving.status import STATUS_KEY, to_status

log = structlog.get_logger()
_WORDS = {
    "SERVICE_UNREACHABLE": "cannot be reached",
    "DEADLINE_EXCEEDED": "did not answer in time",
    "MESSAGE_TOO_LARGE": "takes no message that large",
    "RESOURCE_EXHAUSTED": "is busy",
}


def to_error(error: grpc.aio.AioRpcError, service: ServiceName, address: str) -> ConvoyError:
    """The error that a service sent. Its details are the messages that came along, such as a RegisterResponse.

    A service that cannot be reached is named without its address, which concerns the log alone.
    """
    found = read_failure(error, service, address)
    if "address" in found.metadata:
        log.warning("a service gave no answer", service=service, problem=str(found))
        found.metadata.pop("address")
        found.metadata.pop("cause", None)
        found.message = f"the {service} service {_WORDS.get(found.reason, 'failed')}"
    found.details = tuple(messages_of(sent_status(error)))
    return found


def status_of(error: grpc.aio.AioRpcError, service: ServiceName, address: str) -> status_pb2.Status:
    """The status that a service sent, or one made of what gRPC says."""
    sent = sent_status(error)
    if sent.code:
        return sent
    found = to_error(error, service, address)
    if found.code in grpc.StatusCode.__members__ and found.code != "UNKNOWN":
        return to_status(found)
    return status_pb2.Status(code=error.code().value[0], message=error.details() or "")


def sent_status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The google.rpc.Status in the trailing metadata; empty if there is none."""
    trailing = dict(error.trailing_metadata() or ())
    content = trailing.get(STATUS_KEY, b"")
    try:
        return status_pb2.Status.FromString(content if isinstance(content, bytes) else b"")
    except DecodeError:
        return status_pb2.Status()


def messages_of(status: status_pb2.Status) -> list[Message]:
    """The details whose types this process knows, other than what every error has."""
    found = []
    for detail in status.details:
        name = detail.TypeName()
        if not name.startswith("convoy."):
            continue
        try:
            kind = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))
            found.append(kind.FromString(detail.value))
        except (KeyError, DecodeError):
            continue
    return found
