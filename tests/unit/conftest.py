"""A fleet that answers by rule, so that the client's tests know every answer: one real gRPC server for all services."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from convoy.client import Convoy
from convoy.core.errors import ConvoyError
from convoy.core.serving.status import to_status
from convoy.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    common_pb2,
    detection_pb2,
    detection_pb2_grpc,
    faces_pb2,
    faces_pb2_grpc,
    recognition_pb2,
    recognition_pb2_grpc,
    segmentation_pb2,
    segmentation_pb2_grpc,
)
from google.protobuf.message import Message

MODEL = common_pb2.ModelRef(name="rule", version="3")
SIZE = common_pb2.Size(width=4, height=2)


class RuleFleet(
    classification_pb2_grpc.ClassificationServiceServicer,
    detection_pb2_grpc.DetectionServiceServicer,
    segmentation_pb2_grpc.SegmentationServiceServicer,
    faces_pb2_grpc.FaceServiceServicer,
    recognition_pb2_grpc.RecognitionServiceServicer,
):
    """Keeps every request, and the model that its headers named.

    Cuts off the first `cut`, raises `failures` one after another before it answers.
    """

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self.named: list[object] = []
        self.failures: list[ConvoyError] = []
        self.cut = 0

    def hear(self, request: Message, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.named.append(dict(context.invocation_metadata()).get("convoy-model"))
        if len(self.requests) <= self.cut:
            context.cancel()
        if self.failures:
            status = to_status(self.failures.pop(0))
            code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(code, status.message)

    def Classify(self, request: Any, context: Any) -> classification_pb2.ClassifyResponse:
        self.hear(request, context)
        labels = [classification_pb2.Label(index=1, name="cat", probability=0.75)]
        result = classification_pb2.Classification(labels=labels, image_size=SIZE)
        return classification_pb2.ClassifyResponse(results=[result] * len(request.images), model=MODEL)

    def Detect(self, request: Any, context: Any) -> detection_pb2.DetectResponse:
        self.hear(request, context)
        box = common_pb2.Box(x_min=1, y_min=0, x_max=3, y_max=2)
        found = detection_pb2.Detection(box=box, index=0, label="cell", score=0.5)
        return detection_pb2.DetectResponse(
            results=[detection_pb2.Detections(detections=[found], image_size=SIZE)], model=MODEL
        )

    def Segment(self, request: Any, context: Any) -> segmentation_pb2.SegmentResponse:
        self.hear(request, context)
        result = segmentation_pb2.Segmentation(
            mask=bytes([0, 0, 1, 1, 0, 0, 1, 1]),
            mask_format=segmentation_pb2.MASK_FORMAT_RAW,
            image_size=SIZE,
            regions=[
                segmentation_pb2.Region(index=0, label="sky", area=0.5),
                segmentation_pb2.Region(index=1, label="tree", area=0.5),
            ],
        )
        return segmentation_pb2.SegmentResponse(results=[result], model=MODEL)

    def EmbedFaces(self, request: Any, context: Any) -> faces_pb2.EmbedFacesResponse:
        self.hear(request, context)
        face = faces_pb2.Face(
            box=common_pb2.Box(x_max=2, y_max=2),
            detection_score=0.9,
            landmarks=faces_pb2.Landmarks(nose=common_pb2.Point(x=1, y=1)),
            quality=faces_pb2.FaceQuality(score=0.8),
            embedding=faces_pb2.Embedding(values=[0.6, 0.8], model=MODEL),
        )
        faces = faces_pb2.Faces(faces=[face], image_size=SIZE)
        return faces_pb2.EmbedFacesResponse(results=[faces], detector=MODEL, embedder=MODEL)

    def ListPeople(self, request: Any, context: Any) -> recognition_pb2.ListPeopleResponse:
        self.hear(request, context)
        first = int(request.page_token or 0)
        people = [recognition_pb2.Person(person_id=f"p{number}") for number in range(first, first + 2)]
        return recognition_pb2.ListPeopleResponse(people=people, next_page_token=str(first + 2) if first < 4 else "")

    def GetGallery(self, request: Any, context: Any) -> recognition_pb2.GetGalleryResponse:
        self.hear(request, context)
        return recognition_pb2.GetGalleryResponse(gallery=recognition_pb2.Gallery(name=request.gallery, model=MODEL))

    def GetGalleryStatus(self, request: Any, context: Any) -> recognition_pb2.GetGalleryStatusResponse:
        """The store of the gallery `torn` holds other faces than its index."""
        self.hear(request, context)
        stored = "b" if request.gallery == "torn" else "a"
        return recognition_pb2.GetGalleryStatusResponse(
            store_version=3, index_version=3, index_checksum="a", store_checksum=stored if request.verify else ""
        )

    def Register(self, request: Any, context: Any) -> recognition_pb2.RegisterResponse:
        self.hear(request, context)
        return recognition_pb2.RegisterResponse(
            person=recognition_pb2.Person(person_id=request.person_id),
            results=[
                recognition_pb2.PhotoResult(accepted=True, face_id="f1"),
                recognition_pb2.PhotoResult(refusal=recognition_pb2.PHOTO_REFUSAL_NO_FACE, message="no face"),
            ],
            version=7,
        )


@pytest.fixture
def served() -> Iterator[tuple[RuleFleet, str]]:
    """The fleet and its address."""
    fleet = RuleFleet()
    server = grpc.server(ThreadPoolExecutor(4))
    classification_pb2_grpc.add_ClassificationServiceServicer_to_server(fleet, server)
    detection_pb2_grpc.add_DetectionServiceServicer_to_server(fleet, server)
    segmentation_pb2_grpc.add_SegmentationServiceServicer_to_server(fleet, server)
    faces_pb2_grpc.add_FaceServiceServicer_to_server(fleet, server)
    recognition_pb2_grpc.add_RecognitionServiceServicer_to_server(fleet, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield fleet, address
    server.stop(None).wait()


@pytest.fixture
def fleet(served: tuple[RuleFleet, str]) -> RuleFleet:
    return served[0]


@pytest.fixture
def addresses(served: tuple[RuleFleet, str]) -> dict[str, str]:
    return dict.fromkeys(("classification", "detection", "segmentation", "faces", "recognition"), served[1])


@pytest.fixture
def convoy(addresses: dict[str, str]) -> Iterator[Convoy]:
    with Convoy(**addresses, timeout_s=10) as client:
        yield client
