"""The Connect protocol as others read it: the client of the package connectrpc, before a real fleet."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from connectrpc.client import ConnectClient
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from convoy.client import Convoy
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, portrait, with_box
from convoy.v1 import common_pb2, detection_pb2, recognition_pb2
from convoy.web.methods import methods

BOX = common_pb2.Image(encoded=encode(with_box((40, 30, 90, 80))))
CODECS = {"json": google_protobuf_json_codec, "proto": google_protobuf_binary_codec}


@pytest.fixture(params=CODECS)
async def client(fleet: Fleet, request: pytest.FixtureRequest) -> AsyncIterator[ConnectClient]:
    async with ConnectClient(fleet.web_url, codec=CODECS[request.param]()) as client:
        yield client


def method(path: str, kind: StreamType = StreamType.UNARY) -> MethodInfo[Any, Any]:
    known = methods()[path]
    service, _, name = path[1:].rpartition("/")
    return MethodInfo(
        name=name,
        service_name=service,
        input=known.request,
        output=known.response,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )


DETECT = method("/convoy.v1.DetectionService/Detect")
STREAM = method("/convoy.v1.DetectionService/DetectStream", StreamType.BIDI_STREAM)
GET = method("/convoy.v1.RecognitionService/GetGallery")
EXPORT = method("/convoy.v1.RecognitionService/ExportGallery", StreamType.SERVER_STREAM)


async def test_a_call_is_answered_as_over_grpc(client: ConnectClient, convoy: Convoy) -> None:
    answer = await client.execute_unary(request=detection_pb2.DetectRequest(images=[BOX, BOX]), method=DETECT)
    assert len(answer.results) == 2
    (found,) = convoy.detect(BOX.encoded).detections
    assert answer.results[1].detections[0].label == found.label
    assert answer.results[1].detections[0].score == pytest.approx(found.score)


async def test_an_error_has_its_code_and_details(client: ConnectClient) -> None:
    with pytest.raises(ConnectError) as told:
        await client.execute_unary(request=recognition_pb2.GetGalleryRequest(gallery="nothing"), method=GET)
    assert told.value.code is Code.NOT_FOUND
    assert "nothing" in told.value.message
    assert [detail.type_name for detail in told.value.details] == ["google.rpc.ErrorInfo"]


async def test_a_time_limit_goes_on_to_the_service(client: ConnectClient) -> None:
    with pytest.raises(ConnectError) as told:
        await client.execute_unary(request=detection_pb2.DetectRequest(images=[BOX] * 32), method=DETECT, timeout_ms=1)
    assert told.value.code is Code.DEADLINE_EXCEEDED


async def test_a_stream_of_pictures_is_answered_in_order(client: ConnectClient) -> None:
    async def pictures() -> AsyncIterator[detection_pb2.DetectStreamRequest]:
        for number in range(3):
            images = [BOX] if number != 1 else [common_pb2.Image(encoded=b"none")]
            request = detection_pb2.DetectRequest(images=images)
            yield detection_pb2.DetectStreamRequest(id=str(number), request=request)

    answers = [answer async for answer in client.execute_bidi_stream(request=pictures(), method=STREAM)]
    assert [(answer.id, answer.WhichOneof("outcome")) for answer in answers] == [
        ("0", "response"),
        ("1", "error"),
        ("2", "response"),
    ]


async def test_a_gallery_is_exported_part_by_part(client: ConnectClient, convoy: Convoy, gallery: str) -> None:
    convoy.register(gallery, "ada", [encode(portrait(1))])
    request = recognition_pb2.ExportGalleryRequest(gallery=gallery)
    parts = [part async for part in client.execute_server_stream(request=request, method=EXPORT)]
    assert parts[0].gallery.name == gallery
    assert [one.person.person_id for part in parts for one in part.people] == ["ada"]
    missing = client.execute_server_stream(
        request=recognition_pb2.ExportGalleryRequest(gallery="nothing"), method=EXPORT
    )
    with pytest.raises(ConnectError) as told:
        await anext(aiter(missing))
    assert told.value.code is Code.NOT_FOUND
