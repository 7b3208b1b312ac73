"""One fleet by rule and one web door for all tests of a module; each test finds them as new."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from convoy.core.api import SERVICES
from convoy.v1 import (
    classification_pb2_grpc,
    detection_pb2,
    detection_pb2_grpc,
    faces_pb2_grpc,
    recognition_pb2,
    recognition_pb2_grpc,
    segmentation_pb2_grpc,
)

from tests.unit.conftest import RuleFleet
from tests.web_door import Door, web_door


class StreamingFleet(RuleFleet):
    """A fleet by rule whose detection reads a stream to its end, so that the door alone decides how a bad one ends,
    and whose IdentifyStream answers each message as it comes."""

    def DetectStream(
        self, requests: Iterator[detection_pb2.DetectStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[detection_pb2.DetectStreamResponse]:
        for _ in requests:
            yield detection_pb2.DetectStreamResponse()

    def IdentifyStream(
        self, requests: Iterator[recognition_pb2.IdentifyStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[recognition_pb2.IdentifyStreamResponse]:
        for asked in requests:
            yield recognition_pb2.IdentifyStreamResponse(id=asked.id, response=recognition_pb2.IdentifyResponse())


@pytest.fixture(scope="module")
def standing() -> Iterator[tuple[RuleFleet, dict[str, str], Door]]:
    fleet = StreamingFleet()
    server = grpc.server(ThreadPoolExecutor(4))
    classification_pb2_grpc.add_ClassificationServiceServicer_to_server(fleet, server)
    detection_pb2_grpc.add_DetectionServiceServicer_to_server(fleet, server)
    segmentation_pb2_grpc.add_SegmentationServiceServicer_to_server(fleet, server)
    faces_pb2_grpc.add_FaceServiceServicer_to_server(fleet, server)
    recognition_pb2_grpc.add_RecognitionServiceServicer_to_server(fleet, server)
    addresses = dict.fromkeys(SERVICES, f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    with web_door(addresses) as door:
        yield fleet, dict(addresses), door
    server.stop(None).wait()


@pytest.fixture
def fleet(standing: tuple[RuleFleet, dict[str, str], Door]) -> RuleFleet:
    vars(standing[0]).clear()
    standing[0].__init__()  # type: ignore[misc]
    return standing[0]


@pytest.fixture
def addresses(standing: tuple[RuleFleet, dict[str, str], Door]) -> dict[str, str]:
    return standing[1]


@pytest.fixture
def door(standing: tuple[RuleFleet, dict[str, str], Door], fleet: RuleFleet) -> Door:
    return standing[2]
