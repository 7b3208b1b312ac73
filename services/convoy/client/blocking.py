"""Convoy, the client for ordinary code: each method waits for its answer."""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import grpc

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
from convoy.client.operations.conversation import Conversation
from convoy.client.operations.operation import Listing, Operation
from convoy.client.operations.volumes import VolumeCall
from convoy.client.pictures import Channels, Picture
from convoy.core.api import ServiceName
from convoy.core.errors import ConvoyError
from convoy.v1 import segmentation_pb2

P = ParamSpec("P")
Result = TypeVar("Result")


def call(plan: Callable[P, Operation[Result]]) -> "Callable[Concatenate[Convoy, P], Result]":
    """Make a method that carries out a plan."""

    @wraps(plan)
    def method(convoy: "Convoy", /, *args: P.args, **kwargs: P.kwargs) -> Result:
        return convoy.perform(plan(*args, **kwargs))

    return method


def parts(plan: Callable[P, Operation[Result]]) -> "Callable[Concatenate[Convoy, P], Iterator[Result]]":
    """Make a method that yields the many answers to one call."""

    @wraps(plan)
    def method(convoy: "Convoy", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Result]:
        return convoy.receive(plan(*args, **kwargs))

    return method


def pages(plan: Callable[P, Listing[Result]]) -> "Callable[Concatenate[Convoy, P], Iterator[Result]]":
    """Make a method that yields a list, and fetches each page when it is needed."""

    @wraps(plan)
    def method(convoy: "Convoy", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Result]:
        page_of, token = plan(*args, **kwargs), ""
        while True:
            page = convoy.perform(page_of(token))
            yield from page.items
            token = page.next_page_token
            if not token:
                return

    return method


class Convoy:
    """A client of all services of a fleet. It connects to each on the first call. Threads may share it.

    Arguments: an address (host:port) for each service; timeout_s for each call with all its tries; max_message_mb;
    token. What you leave out comes from CONVOY_* variables. Only they configure TLS: CONVOY_CLIENT_CA, _CERT, _KEY.
    Every method may raise the errors of convoy.core.errors.

        with Convoy() as convoy:
            print(convoy.classify("photo.jpg").best)
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
        self._open: Open[grpc.Channel] = Open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. Calls under way fail, and later ones raise FailedPrecondition(CLIENT_CLOSED)."""
        for channel in self._open.take_all(None):
            channel.close()

    def within(self, timeout_s: float) -> Self:
        """The same client, on the same connections, with another time limit for each call."""
        other = type(self).__new__(type(self))
        other._connection = replace(self._connection, timeout_s=checked_timeout(timeout_s))
        other._open = self._open
        return other

    def perform(self, operation: Operation[Result]) -> Result:
        """Carry out one planned call."""
        send = self._channel(operation.service).unary_unary(
            operation.method, type(operation.request).SerializeToString, operation.response_type.FromString
        )
        try:
            response: Any = send(
                operation.request,
                timeout=self._connection.timeout_s,
                metadata=self._connection.credentials.metadata() + operation.metadata(),
            )
        except grpc.RpcError as error:
            address = self._connection.addresses[operation.service]
            raise read_failure(error, operation.service, address, operation.request) from None
        answer = operation.read(response)
        if operation.picture is not None:
            remember_picture(answer, operation.picture)
        return answer

    def receive(self, operation: Operation[Result]) -> Iterator[Result]:
        """Carry out one planned call that is answered by many messages, without a time limit."""
        send = self._channel(operation.service).unary_stream(
            operation.method, type(operation.request).SerializeToString, operation.response_type.FromString
        )
        call: Any = send(operation.request, metadata=self._connection.credentials.metadata())
        try:
            for message in call:
                yield operation.read(message)
        except grpc.RpcError as error:
            address = self._connection.addresses[operation.service]
            raise read_failure(error, operation.service, address, operation.request) from None
        finally:
            call.cancel()

    def stream(self, operations: Iterable[Operation[Result]]) -> Iterator[Result | ConvoyError]:
        """Carry out many calls of one kind (see convoy.client.plans) on one connection, without a time limit.

        Answers come in order, a failed one as the error that it met. Requests are sent ahead of the answers.
        """
        return (answer for _, answer in self.stream_with_ids(("", one) for one in operations))

    def stream_with_ids(
        self, operations: Iterable[tuple[str, Operation[Result]]]
    ) -> Iterator[tuple[str, Result | ConvoyError]]:
        """`stream` for operations that have ids of yours: (id, operation) in, (id, answer) out."""
        rest = iter(operations)
        first = next(rest, None)
        if first is None:
            return
        talk = Conversation(first)
        send = self._channel(talk.service).stream_stream(
            talk.method, talk.envelope.SerializeToString, talk.answer.FromString
        )
        call: Any = send(talk.requests(rest), metadata=self._connection.credentials.metadata())
        try:
            for message in call:
                yield talk.read(message)
        except grpc.RpcError as error:
            raise read_failure(error, talk.service, self._connection.addresses[talk.service]) from None
        finally:
            call.cancel()
        talk.end()

    def segment_volume(
        self, slices: Iterable[Picture], *, model: str = "", channels: Channels = "rgb"
    ) -> Iterator[Segmentation]:
        """Segment a volume, without a time limit: yields the mask of each slice in order, as soon as it is there.

        slices: pictures of one size, at least two; an iterator need not hold them all. InvalidArgument(BAD_VOLUME).
        """
        talk = VolumeCall(model, len(slices) if isinstance(slices, Sized) else 0, channels)
        send = self._channel(talk.service).stream_stream(
            talk.method,
            segmentation_pb2.SegmentVolumeRequest.SerializeToString,
            segmentation_pb2.SegmentVolumeResponse.FromString,
        )
        call: Any = send(talk.requests(iter(slices)), metadata=self._connection.credentials.metadata())
        try:
            for message in call:
                yield talk.read(message)
        except grpc.RpcError as error:
            talk.end()
            raise read_failure(error, talk.service, self._connection.addresses[talk.service]) from None
        finally:
            call.cancel()
        talk.end()

    def _channel(self, service: ServiceName) -> grpc.Channel:
        return self._open.of(None, service, self._connection.open)

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
