"""AsyncConvoy, the client for asyncio: you await a call, and read a list with `async for`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sized
from contextlib import aclosing
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from convoy.client.answers.vision import Segmentation
from convoy.client.channels import Connection, Open, checked_timeout, connection
from convoy.client.failures import read_failure
from convoy.client.notebooks import remember_picture
from convoy.client.operations import (
    explanation,
    faces,
    galleries,
    imaging,
    models,
    people,
    recognition,
    signals,
    vision,
)
from convoy.client.operations.conversation import Conversation, each
from convoy.client.operations.operation import Listing, Operation
from convoy.client.operations.volumes import VolumeCall
from convoy.client.pictures import Channels, Picture
from convoy.core.api import ServiceName
from convoy.core.errors import ConvoyError
from convoy.v1 import segmentation_pb2

P = ParamSpec("P")
Result = TypeVar("Result")


def call(plan: Callable[P, Operation[Result]]) -> "Callable[Concatenate[AsyncConvoy, P], Awaitable[Result]]":
    """Make a method that carries out a plan."""

    @wraps(plan)
    async def method(convoy: "AsyncConvoy", /, *args: P.args, **kwargs: P.kwargs) -> Result:
        return await convoy.perform(plan(*args, **kwargs))

    return method


def parts(plan: Callable[P, Operation[Result]]) -> "Callable[Concatenate[AsyncConvoy, P], AsyncIterator[Result]]":
    """Make a method that yields the many answers to one call."""

    @wraps(plan)
    async def method(convoy: "AsyncConvoy", /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Result]:
        async for part in convoy.receive(plan(*args, **kwargs)):
            yield part

    return method


def pages(plan: Callable[P, Listing[Result]]) -> "Callable[Concatenate[AsyncConvoy, P], AsyncIterator[Result]]":
    """Make a method that yields a list, and fetches each page when it is needed."""

    @wraps(plan)
    async def method(convoy: "AsyncConvoy", /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Result]:
        page_of, token = plan(*args, **kwargs), ""
        while True:
            page = await convoy.perform(page_of(token))
            for item in page.items:
                yield item
            token = page.next_page_token
            if not token:
                return

    return method


async def _failure(
    call: grpc.aio.AioRpcError, service: str, address: str, request: Message | None = None
) -> ConvoyError:
    """See read_failure; a thread of its own looks who listens at the address of a call that ran out of time."""
    if call.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return await asyncio.to_thread(read_failure, call, service, address, request)
    return read_failure(call, service, address, request)


class AsyncConvoy:
    """A client of all services of a fleet. It connects to each on the first call.

    You may use it in several event loops, one after the other or in several threads: each gets its own connections.

    The arguments, methods and errors are those of Convoy.

        async with AsyncConvoy() as convoy:
            print((await convoy.classify("photo.jpg")).best)
    """

    def __init__(
        self,
        *,
        classification: str | None = None,
        detection: str | None = None,
        segmentation: str | None = None,
        faces: str | None = None,
        recognition: str | None = None,
        imaging: str | None = None,
        timeout_s: float | None = None,
        max_message_mb: int | None = None,
        token: str | None = None,
    ) -> None:
        self._connection: Connection = connection(
            classification=classification,
            detection=detection,
            segmentation=segmentation,
            faces=faces,
            recognition=recognition,
            imaging=imaging,
            timeout_s=timeout_s,
            max_message_mb=max_message_mb,
            token=token,
        )
        self._open: Open[grpc.aio.Channel] = Open()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Calls under way fail, and later ones raise FailedPrecondition(CLIENT_CLOSED)."""
        for channel in self._open.take_all(asyncio.get_running_loop()):
            await channel.close()

    def within(self, timeout_s: float) -> Self:
        """The same client, on the same connections, with another time limit for each call."""
        other = type(self).__new__(type(self))
        other._connection = replace(self._connection, timeout_s=checked_timeout(timeout_s))
        other._open = self._open
        return other

    async def perform(self, operation: Operation[Result]) -> Result:
        """Carry out one planned call."""
        send = self._channel(operation.service).unary_unary(
            operation.method, type(operation.request).SerializeToString, operation.response_type.FromString
        )
        try:
            response: Any = await send(
                operation.request,
                timeout=self._connection.timeout_s,
                metadata=self._connection.credentials.metadata() + operation.metadata(),
            )
        except grpc.aio.AioRpcError as error:
            address = self._connection.addresses[operation.service]
            raise await _failure(error, operation.service, address, operation.request) from None
        answer = operation.read(response)
        if operation.picture is not None:
            remember_picture(answer, operation.picture)
        return answer

    async def receive(self, operation: Operation[Result]) -> AsyncIterator[Result]:
        """Carry out one planned call that is answered by many messages, without a time limit."""
        send = self._channel(operation.service).unary_stream(
            operation.method, type(operation.request).SerializeToString, operation.response_type.FromString
        )
        call: Any = send(operation.request, metadata=self._connection.credentials.metadata())
        try:
            async for message in call:
                yield operation.read(message)
        except grpc.aio.AioRpcError as error:
            address = self._connection.addresses[operation.service]
            raise await _failure(error, operation.service, address, operation.request) from None
        finally:
            call.cancel()

    async def stream(
        self, operations: Iterable[Operation[Result]] | AsyncIterable[Operation[Result]]
    ) -> AsyncIterator[Result | ConvoyError]:
        """Carry out many calls of one kind (see convoy.client.plans) on one connection, without a time limit.

        Answers come in order, a failed one as the error that it met. Requests are sent ahead of the answers.
        """
        async with aclosing(self.stream_with_ids(("", one) async for one in each(operations))) as answers:
            async for _, answer in answers:
                yield answer

    async def stream_with_ids(
        self, operations: Iterable[tuple[str, Operation[Result]]] | AsyncIterable[tuple[str, Operation[Result]]]
    ) -> AsyncGenerator[tuple[str, Result | ConvoyError], None]:
        """`stream` for operations that have ids of yours: (id, operation) in, (id, answer) out."""
        rest = each(operations)
        first = await anext(rest, None)
        if first is None:
            return
        talk = Conversation(first)
        send = self._channel(talk.service).stream_stream(
            talk.method, talk.envelope.SerializeToString, talk.answer.FromString
        )
        call: Any = send(talk.requests_async(rest), metadata=self._connection.credentials.metadata())
        try:
            async for message in call:
                yield talk.read(message)
        except grpc.aio.AioRpcError as error:
            raise await _failure(error, talk.service, self._connection.addresses[talk.service]) from None
        finally:
            call.cancel()
        talk.end()

    async def segment_volume(
        self, slices: Iterable[Picture] | AsyncIterable[Picture], *, model: str = "", channels: Channels = "rgb"
    ) -> AsyncIterator[Segmentation]:
        """Segment a volume, without a time limit: yields the mask of each slice in order, as soon as it is there.

        slices: pictures of one size, at least two; an iterator need not hold them all. InvalidArgument(BAD_VOLUME).
        """
        talk = VolumeCall(model, len(slices) if isinstance(slices, Sized) else 0, channels)
        send = self._channel(talk.service).stream_stream(
            talk.method,
            segmentation_pb2.SegmentVolumeRequest.SerializeToString,
            segmentation_pb2.SegmentVolumeResponse.FromString,
        )
        call: Any = send(talk.requests_async(each(slices)), metadata=self._connection.credentials.metadata())
        try:
            async for message in call:
                yield talk.read(message)
        except grpc.aio.AioRpcError as error:
            talk.end()
            address = self._connection.addresses[talk.service]
            raise await _failure(error, talk.service, address) from None
        finally:
            call.cancel()
        talk.end()

    def _channel(self, service: ServiceName) -> grpc.aio.Channel:
        return self._open.of(asyncio.get_running_loop(), service, self._connection.open_aio)

    classify = call(vision.classify)
    classify_many = call(vision.classify_many)
    embed_image = call(vision.embed_image)
    embed_images = call(vision.embed_images)
    classify_signal = call(signals.classify_signal)
    classify_signals = call(signals.classify_signals)
    detect = call(vision.detect)
    detect_many = call(vision.detect_many)
    segment = call(vision.segment)
    segment_many = call(vision.segment_many)
    transform = call(imaging.transform)
    transform_many = call(imaging.transform_many)
    explain = call(explanation.explain)
    explain_detection = call(explanation.explain_detection)
    explain_segmentation = call(explanation.explain_segmentation)
    explain_comparison = call(explanation.explain_comparison)

    detect_faces = call(faces.detect_faces)
    embed_faces = call(faces.embed_faces)
    embed_faces_many = call(faces.embed_faces_many)
    compare_faces = call(faces.compare_faces)
    get_face_model = call(faces.get_face_model)

    create_gallery = call(galleries.create_gallery)
    get_gallery = call(galleries.get_gallery)
    list_galleries = pages(galleries.list_galleries)
    list_unreadable_galleries = pages(galleries.list_unreadable_galleries)
    update_gallery = call(galleries.update_gallery)
    delete_gallery = call(galleries.delete_gallery)
    set_gallery_alias = call(galleries.set_gallery_alias)
    list_gallery_aliases = call(galleries.list_gallery_aliases)
    export_gallery = parts(galleries.export_gallery)
    import_people = call(people.import_people)
    get_gallery_status = call(galleries.get_gallery_status)
    list_audit_events = pages(galleries.list_audit_events)

    register = call(recognition.register)
    identify = call(recognition.identify)
    verify = call(recognition.verify)

    create_person = call(people.create_person)
    get_person = call(people.get_person)
    get_face = call(people.get_face)
    list_people = pages(people.list_people)
    update_person = call(people.update_person)
    rename_person = call(people.rename_person)
    delete_person = call(people.delete_person)
    delete_face = call(people.delete_face)
    find_duplicates = pages(people.find_duplicates)
    find_disagreements = pages(people.find_disagreements)
    merge_people = call(people.merge_people)

    check_health = call(models.check_health)
    get_caller = call(models.get_caller)
    get_load = call(models.get_load)
    list_models = call(models.list_models)
    load_model = call(models.load_model)
    unload_model = call(models.unload_model)
