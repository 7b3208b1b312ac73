"""Many operations of one kind on one streaming call. Answers come back in the order of the requests."""

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Generic

from google.protobuf.message import Message

from convoy.client.failures import read_stream_error
from convoy.client.operations.operation import Operation, Result
from convoy.core.api import ServiceName
from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.v1 import classification_pb2, detection_pb2, faces_pb2, imaging_pb2, recognition_pb2, segmentation_pb2

# For each request that can be streamed: the streaming method, the envelope of the request and that of the answer.
STREAMS: dict[type[Message], tuple[str, type[Message], type[Message]]] = {
    classification_pb2.ClassifyRequest: (
        "ClassifyStream",
        classification_pb2.ClassifyStreamRequest,
        classification_pb2.ClassifyStreamResponse,
    ),
    detection_pb2.DetectRequest: (
        "DetectStream",
        detection_pb2.DetectStreamRequest,
        detection_pb2.DetectStreamResponse,
    ),
    segmentation_pb2.SegmentRequest: (
        "SegmentStream",
        segmentation_pb2.SegmentStreamRequest,
        segmentation_pb2.SegmentStreamResponse,
    ),
    imaging_pb2.TransformRequest: (
        "TransformStream",
        imaging_pb2.TransformStreamRequest,
        imaging_pb2.TransformStreamResponse,
    ),
    faces_pb2.EmbedFacesRequest: (
        "EmbedFacesStream",
        faces_pb2.EmbedFacesStreamRequest,
        faces_pb2.EmbedFacesStreamResponse,
    ),
    faces_pb2.DetectFacesRequest: (
        "EmbedFacesStream",
        faces_pb2.EmbedFacesStreamRequest,
        faces_pb2.EmbedFacesStreamResponse,
    ),
    recognition_pb2.IdentifyRequest: (
        "IdentifyStream",
        recognition_pb2.IdentifyStreamRequest,
        recognition_pb2.IdentifyStreamResponse,
    ),
    recognition_pb2.RegisterRequest: (
        "RegisterMany",
        recognition_pb2.RegisterManyRequest,
        recognition_pb2.RegisterManyResponse,
    ),
}


class Conversation(Generic[Result]):
    """The messages that go out and come back on one streaming call; its first operation says of which kind.

    An entry is an id of the caller's, which its answer carries, and an operation.

    InvalidArgument(BAD_ARGUMENT): operations of this kind, or of different kinds, cannot be streamed.
    """

    def __init__(self, entry: tuple[str, Operation[Result]]) -> None:
        first = entry[1]
        if type(first.request) not in STREAMS:
            raise InvalidArgument("BAD_ARGUMENT", f"{first.method} has no stream")
        self._kind = type(first.request)
        name, self.envelope, self.answer = STREAMS[self._kind]
        self.service: ServiceName = first.service
        self.method = f"{first.method.rpartition('/')[0]}/{name}"
        self._sent: deque[tuple[str, Callable[[Any], Result]]] = deque()
        self._problem: Exception | None = None
        self._first = entry

    def requests(self, rest: Iterator[tuple[str, Operation[Result]]]) -> Iterator[Message]:
        """Yield the messages to send. An error of the caller's iterator ends them; `end` raises it."""
        try:
            yield self._wrap(self._first)
            for entry in rest:
                yield self._wrap(entry)
        except Exception as problem:  # It would be lost in a thread of gRPC.
            self._problem = problem

    async def requests_async(self, rest: AsyncIterator[tuple[str, Operation[Result]]]) -> AsyncIterator[Message]:
        """`requests` for asyncio."""
        try:
            yield self._wrap(self._first)
            async for entry in rest:
                yield self._wrap(entry)
        except Exception as problem:
            self._problem = problem

    def read(self, message: Any) -> tuple[str, Result | ConvoyError]:
        """The id of an operation, and its answer or the error in its place."""
        given, read = self._sent.popleft()
        failed = message.WhichOneof("outcome") == "error"
        return given, read_stream_error(message.error) if failed else read(message.response)

    def end(self) -> None:
        """Raise the error that ended the requests, if there was one."""
        if self._problem is not None:
            raise self._problem

    def _wrap(self, entry: tuple[str, Operation[Result]]) -> Message:
        given, operation = entry
        if type(operation.request) is not self._kind:
            raise InvalidArgument("BAD_ARGUMENT", "all operations of a stream must be of one kind")
        self._sent.append((given, operation.read))
        # RegisterMany has the id of the person in its place.
        named = {"id": given} if "id" in self.envelope.DESCRIPTOR.fields_by_name else {}
        return self.envelope(request=_in_stream(operation.request), **named, **operation.in_stream)


def _in_stream(request: Message) -> Message:
    """The request as its stream takes it. Detection of faces has no stream of its own."""
    if isinstance(request, faces_pb2.DetectFacesRequest):
        return faces_pb2.EmbedFacesRequest(images=request.images, options=request.options, without_embeddings=True)
    return request


async def each(operations: Iterable[Result] | AsyncIterable[Result]) -> AsyncIterator[Result]:
    """The items of an iterable, asynchronous or not."""
    if isinstance(operations, AsyncIterable):
        async for operation in operations:
            yield operation
    else:
        for operation in operations:
            yield operation
