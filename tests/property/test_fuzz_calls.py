"""Every RPC of every service, asked nonsense: each answer has a status of the table, and the process lives on."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from convoy.core.errors import KINDS
from convoy.core.manifest import load_manifest
from convoy.inference import open_inference_pb2 as oip
from convoy.testing.redis_servers import RedisServer
from convoy.testing.tiny_models import write_repository
from convoy.v1 import (
    classification_pb2,
    common_pb2,
    detection_pb2,
    faces_pb2,
    imaging_pb2,
    models_pb2,
    recognition_pb2,
    segmentation_pb2,
    status_pb2,
)
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing import PICTURES, broken, in_background, messages
from tests.serving import running

FILES = {
    "classification": (classification_pb2, models_pb2, oip, status_pb2),
    "detection": (detection_pb2,),
    "segmentation": (segmentation_pb2,),
    "faces": (faces_pb2,),
    "recognition": (recognition_pb2,),
    "imaging": (imaging_pb2,),
}
CODES = {"OK", *KINDS}
# What is there already, what the service cannot do without, a face that is a duplicate, and one that is not there.
UNDERSTOOD = {
    "SegmentVolume": "INVALID_ARGUMENT",  # one slice is no volume
    "CreateGallery": "ALREADY_EXISTS",
    "UnloadModel": "FAILED_PRECONDITION",
    "RepositoryModelUnload": "FAILED_PRECONDITION",
    "Register": "FAILED_PRECONDITION",
    "DeleteFace": "NOT_FOUND",
    "MergePeople": "NOT_FOUND",
    "CreatePerson": "ALREADY_EXISTS",
    "RenamePerson": "NOT_FOUND",
    "GetFace": "NOT_FOUND",
}


def embedder_sha256() -> str:
    """The digest that galleries of the tiny face embedder are bound to."""
    with tempfile.TemporaryDirectory() as folder:
        return load_manifest(write_repository(Path(folder)) / "face-embedder" / "1").sha256


REFUSALS = {grpc.StatusCode[code].value[0] for code in KINDS}
PICTURE = common_pb2.Image(encoded=PICTURES[0])
MODEL = common_pb2.ModelRef(name="cifar10-resnet")
TENSOR = oip.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=[1, 32, 32, 3])
SEARCH = recognition_pb2.IdentifyRequest(gallery="g", image=PICTURE)
CREATION = recognition_pb2.CreateGalleryRequest(gallery="g")
ENROLMENT = recognition_pb2.RegisterRequest(gallery="g", person_id="p1", photos=[PICTURE], add_faces=True)
SIGNAL = classification_pb2.Signal(samples=[0.5] * 20, rate_hz=10)
SEEDS: list[Message] = [
    classification_pb2.ClassifyRequest(images=[PICTURE]),
    classification_pb2.ClassifyStreamRequest(request=classification_pb2.ClassifyRequest(images=[PICTURE])),
    detection_pb2.DetectRequest(images=[PICTURE]),
    detection_pb2.DetectStreamRequest(request=detection_pb2.DetectRequest(images=[PICTURE])),
    segmentation_pb2.SegmentRequest(images=[PICTURE]),
    segmentation_pb2.SegmentStreamRequest(request=segmentation_pb2.SegmentRequest(images=[PICTURE])),
    classification_pb2.ExplainRequest(image=PICTURE),
    segmentation_pb2.SegmentVolumeRequest(slice=PICTURE, model=common_pb2.ModelRef(name="membranes-3d")),
    classification_pb2.EmbedImagesRequest(images=[PICTURE], model=common_pb2.ModelRef(name="things")),
    classification_pb2.GetEmbedderRequest(model=common_pb2.ModelRef(name="things")),
    classification_pb2.ClassifySignalRequest(signals=[SIGNAL], model=common_pb2.ModelRef(name="heartbeats")),
    detection_pb2.ExplainDetectionRequest(image=PICTURE),
    segmentation_pb2.ExplainSegmentationRequest(image=PICTURE),
    faces_pb2.ExplainComparisonRequest(first=PICTURE, second=PICTURE),
    imaging_pb2.TransformRequest(images=[PICTURE]),
    imaging_pb2.TransformStreamRequest(request=imaging_pb2.TransformRequest(images=[PICTURE])),
    faces_pb2.DetectFacesRequest(images=[PICTURE]),
    faces_pb2.EmbedFacesRequest(images=[PICTURE]),
    faces_pb2.EmbedFacesStreamRequest(request=faces_pb2.EmbedFacesRequest(images=[PICTURE])),
    faces_pb2.CompareFacesRequest(first=PICTURE, second=PICTURE),
    models_pb2.LoadModelRequest(model=MODEL),
    models_pb2.UnloadModelRequest(model=MODEL),
    oip.ModelInferRequest(model_name="cifar10-resnet", inputs=[TENSOR], raw_input_contents=[bytes(32 * 32 * 3)]),
    oip.RepositoryModelLoadRequest(model_name="cifar10-resnet"),
    oip.RepositoryModelUnloadRequest(model_name="cifar10-resnet"),
    oip.ModelMetadataRequest(name="cifar10-resnet"),
    oip.ModelConfigRequest(name="cifar10-resnet"),
    CREATION,
    recognition_pb2.DeleteGalleryRequest(gallery="g"),
    recognition_pb2.DeletePersonRequest(gallery="g", person_id="p1"),
    recognition_pb2.DeleteFaceRequest(gallery="g", person_id="p1", face_id="1"),
    recognition_pb2.GetGalleryRequest(gallery="g"),
    recognition_pb2.UpdateGalleryRequest(gallery="g"),
    recognition_pb2.GetGalleryStatusRequest(gallery="g"),
    recognition_pb2.ListAuditEventsRequest(gallery="g"),
    recognition_pb2.ListPeopleRequest(gallery="g"),
    recognition_pb2.GetPersonRequest(gallery="g", person_id="p1"),
    recognition_pb2.CreatePersonRequest(gallery="g", person_id="p1"),
    recognition_pb2.RenamePersonRequest(gallery="g", person_id="p2", new_person_id="p3"),
    recognition_pb2.GetFaceRequest(gallery="g", face_id="1"),
    recognition_pb2.UpdatePersonRequest(gallery="g", person_id="p1"),
    ENROLMENT,
    recognition_pb2.RegisterManyRequest(request=ENROLMENT),
    SEARCH,
    recognition_pb2.IdentifyStreamRequest(request=SEARCH),
    recognition_pb2.VerifyRequest(probe=PICTURE, person=recognition_pb2.PersonRef(gallery="g", person_id="p1")),
    recognition_pb2.SetGalleryAliasRequest(alias="a", gallery="g"),
    recognition_pb2.ExportGalleryRequest(gallery="g"),
    recognition_pb2.ImportGalleryRequest(gallery="g", model_sha256=embedder_sha256()),
    recognition_pb2.FindDuplicatesRequest(gallery="g"),
    recognition_pb2.FindDisagreementsRequest(gallery="g"),
    recognition_pb2.MergePeopleRequest(gallery="g", person_id="p1", merged_person_id="p2"),
]
SEED_OF = {seed.DESCRIPTOR.full_name: seed for seed in SEEDS}
RPCS = [
    pytest.param(
        service,
        method,
        id=f"{service}-{method.name}",
        marks=pytest.mark.redis if service == "recognition" else (),
    )
    for service, files in FILES.items()
    for file in files
    for described in file.DESCRIPTOR.services_by_name.values()
    for method in described.methods
]


@asynccontextmanager
async def everything(folder: Path, redis_url: str) -> AsyncIterator[dict[str, str]]:
    """Addresses of the six services, all inside this process."""
    models = write_repository(folder)
    async with (
        running("classification", models, admin=True) as classification,
        running("detection", models, admin=True) as detection,
        running("segmentation", models, admin=True) as segmentation,
        running("faces", models, admin=True) as faces,
        running(
            "recognition", models, admin=True, redis_url=redis_url, faces_address=f"127.0.0.1:{faces.server.port}"
        ) as recognition,
        running("imaging", models, admin=True) as imaging,
    ):
        servers = (classification, detection, segmentation, faces, recognition, imaging)
        yield {name: f"127.0.0.1:{one.server.port}" for name, one in zip(FILES, servers, strict=True)}


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, grpc.Channel]]:
    folder = Path(tempfile.mkdtemp(prefix="convoy-redis-"))
    redis = RedisServer(folder, "--appendfsync", "no")
    redis.start()
    with in_background(everything(tmp_path_factory.mktemp("models"), redis.url)) as addresses:
        options = [("grpc.max_send_message_length", -1)]
        opened = {name: grpc.insecure_channel(address, options) for name, address in addresses.items()}
        yield opened
        for channel in opened.values():
            channel.close()
    redis.stop()
    shutil.rmtree(folder)


def call(channel: grpc.Channel, method: MethodDescriptor, requests: list[bytes]) -> tuple[str, str, list[Message]]:
    """Status, its sentence and the answers to one call with these bytes."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    answers = GetMessageClass(method.output_type)
    timeout_s = 30
    try:
        if method.client_streaming:
            stream: Any = channel.stream_stream(path, None, answers.FromString)(iter(requests), timeout=timeout_s)
            return "OK", "", list(stream)
        if method.server_streaming:
            parts: Any = channel.unary_stream(path, None, answers.FromString)(requests[0], timeout=timeout_s)
            return "OK", "", list(parts)
        return "OK", "", [channel.unary_unary(path, None, answers.FromString)(requests[0], timeout=timeout_s)]
    except grpc.RpcError as error:
        return error.code().name, error.details() or "", []


@pytest.fixture
def stocked(channels: dict[str, grpc.Channel], service: str) -> None:
    """A gallery with somebody in it, whatever the test before has deleted."""
    if service == "recognition":
        methods = recognition_pb2.DESCRIPTOR.services_by_name["RecognitionService"].methods_by_name
        call(channels[service], methods["CreateGallery"], [CREATION.SerializeToString()])
        code, sentence, _ = call(channels[service], methods["Register"], [ENROLMENT.SerializeToString()])
        assert code in ("OK", "FAILED_PRECONDITION"), sentence  # the second time the face is a duplicate


def seed_of(method: MethodDescriptor) -> Message:
    kind = method.input_type
    return SEED_OF.get(kind.full_name) or GetMessageClass(kind)()


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize(("service", "method"), RPCS)
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_nonsense_has_a_status_and_harms_nobody(
    channels: dict[str, grpc.Channel], service: str, method: MethodDescriptor, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, 3)) if method.client_streaming else 1
    requests = [data.draw(messages(method.input_type, seed_of(method))).SerializeToString() for _ in range(count)]
    if requests and data.draw(st.integers(0, 4)) == 0:
        requests[-1] = data.draw(broken(requests[-1]))
    code, sentence, answers = call(channels[service], method, requests)
    assert code in CODES and "metadata size" not in sentence, sentence
    for answer in answers:
        if "error" in answer.DESCRIPTOR.fields_by_name and answer.HasField("error"):
            assert answer.error.code in REFUSALS, answer.error.message  # type: ignore[attr-defined]
    health = health_pb2_grpc.HealthStub(channels[service]).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert health.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize(("service", "method"), RPCS)
def test_the_seed_itself_is_understood(
    channels: dict[str, grpc.Channel], service: str, method: MethodDescriptor
) -> None:
    """Nonsense made of something that is refused at once would prove little."""
    code, sentence, _ = call(channels[service], method, [seed_of(method).SerializeToString()])
    assert code == UNDERSTOOD.get(method.name, "OK"), sentence
