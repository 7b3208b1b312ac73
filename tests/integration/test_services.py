"""Classification, detection, segmentation and faces as real servers, on models whose answers can be worked out."""

import asyncio
import io
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    common_pb2,
    detection_pb2,
    detection_pb2_grpc,
    faces_pb2,
    faces_pb2_grpc,
    segmentation_pb2,
    segmentation_pb2_grpc,
)
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from PIL import Image

from tests.serving import Running, refusal, running


def image(pixels: np.ndarray, extension: str = ".png") -> common_pb2.Image:
    return common_pb2.Image(encoded=pictures.encode(pixels, extension))


def raw(pixels: np.ndarray) -> common_pb2.Image:
    height, width = pixels.shape[:2]
    return common_pb2.Image(raw=common_pb2.RawImage(width=width, height=height, data=pixels.tobytes()))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture
async def classification(models: Path) -> AsyncIterator[Running]:
    async with running("classification", models) as service:
        yield service


@pytest.fixture
async def faces(models: Path) -> AsyncIterator[Running]:
    async with running("faces", models) as service:
        yield service


RED, BLUE = pictures.plain((220, 20, 20)), pictures.plain((20, 20, 220))
NOBODY = pictures.plain()


async def test_classify_several_images_of_every_kind(classification: Running) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(classification.channel)
    images = [image(RED), image(BLUE, ".jpg"), image(RED, ".webp"), raw(BLUE)]
    response = await stub.Classify(classification_pb2.ClassifyRequest(images=images, top_k=2))
    assert [result.labels[0].name for result in response.results] == ["red", "blue", "red", "blue"]
    assert all(len(result.labels) == 2 for result in response.results)
    assert response.results[0].image_size == common_pb2.Size(width=96, height=64)
    assert (response.model.name, response.model.version) == ("cifar10-resnet", "1")


async def test_a_stream_goes_on_after_a_bad_picture(classification: Running) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(classification.channel)

    async def requests() -> AsyncIterator[classification_pb2.ClassifyStreamRequest]:
        for name, content in (("a", image(RED)), ("b", common_pb2.Image(encoded=b"junk")), ("c", image(BLUE))):
            work = classification_pb2.ClassifyRequest(images=[content])
            yield classification_pb2.ClassifyStreamRequest(id=name, request=work)

    answers = [answer async for answer in stub.ClassifyStream(requests())]
    assert [answer.id for answer in answers] == ["a", "b", "c"]
    assert [answer.WhichOneof("outcome") for answer in answers] == ["response", "error", "response"]
    assert (answers[1].error.code, answers[1].error.reason) == (3, "NOT_AN_IMAGE")


async def test_detect_gives_boxes_in_the_picture_that_was_sent(models: Path) -> None:
    async with running("detection", models) as service:
        stub = detection_pb2_grpc.DetectionServiceStub(service.channel)
        small = pictures.with_box((20, 30, 60, 70))
        large = pictures.with_box((200, 300, 600, 700), width=1600, height=1200)
        response = await stub.Detect(detection_pb2.DetectRequest(images=[image(small), image(large), image(NOBODY)]))
        first, second, nothing = response.results
        assert [d.label for d in first.detections] == ["bright"]
        assert box_of(first.detections[0]) == pytest.approx([20, 30, 60, 70], abs=0.01)
        # Reduced by five: exact to one pixel of the graph's input.
        assert box_of(second.detections[0]) == pytest.approx([200, 300, 600, 700], abs=5)
        assert not nothing.detections
        both = detection_pb2.DetectRequest(images=[image(small)], iou_threshold=1.0)
        assert len((await stub.Detect(both)).results[0].detections) == 2
        none = detection_pb2.DetectRequest(images=[image(small)], detection_threshold=0.95)
        assert not (await stub.Detect(none)).results[0].detections
        wrong = detection_pb2.DetectRequest(images=[image(small)], labels=["unicorn"])
        answer = await refusal(stub.Detect, wrong)
        assert answer.reason == "BAD_ARGUMENT" and "bright, dark" in answer.message


def box_of(detection: detection_pb2.Detection) -> list[float]:
    return [detection.box.x_min, detection.box.y_min, detection.box.x_max, detection.box.y_max]


async def test_a_face_detector_detects_for_the_detection_service_too(models: Path) -> None:
    async with running("detection", models) as service:
        stub = detection_pb2_grpc.DetectionServiceStub(service.channel)
        model = common_pb2.ModelRef(name="face-detector-nano")
        picture = image(pictures.portrait(1))
        response = await stub.Detect(detection_pb2.DetectRequest(images=[picture], model=model))
        assert [d.label for d in response.results[0].detections] == ["face"]


@pytest.mark.parametrize("mask_format", [segmentation_pb2.MASK_FORMAT_PNG, segmentation_pb2.MASK_FORMAT_RAW])
async def test_a_mask_has_the_size_of_the_picture(models: Path, mask_format: int) -> None:
    picture = pictures.plain((10, 10, 10), width=640, height=480)
    picture[:240] = 250
    async with running("segmentation", models) as service:
        stub = segmentation_pb2_grpc.SegmentationServiceStub(service.channel)
        request = segmentation_pb2.SegmentRequest(images=[image(picture)], mask_format=mask_format)
        result = (await stub.Segment(request)).results[0]
    if mask_format == segmentation_pb2.MASK_FORMAT_PNG:
        mask = np.asarray(Image.open(io.BytesIO(result.mask)))
    else:
        mask = np.frombuffer(result.mask, np.uint8).reshape(480, 640)
    expected = np.zeros((480, 640), np.uint8)
    expected[:240] = 1
    assert np.array_equal(mask, expected)
    assert {region.label: region.area for region in result.regions} == {"dark": 0.5, "bright": 0.5}


async def test_faces_come_with_landmarks_quality_and_embedding(faces: Running) -> None:
    stub = faces_pb2_grpc.FaceServiceStub(faces.channel)
    picture = image(pictures.group([1, 2, 3]))
    request = faces_pb2.EmbedFacesRequest(images=[picture, image(NOBODY)], include_aligned_crops=True)
    response = await stub.EmbedFaces(request)
    found, none = response.results
    assert len(found.faces) == 3 and not none.faces
    areas = [(f.box.x_max - f.box.x_min) * (f.box.y_max - f.box.y_min) for f in found.faces]
    assert areas == sorted(areas, reverse=True)
    for face in found.faces:
        assert np.linalg.norm(face.embedding.values) == pytest.approx(1, abs=1e-5)
        assert face.landmarks.left_eye.x < face.landmarks.right_eye.x < face.box.x_max
        assert 0 <= face.quality.score <= 1
        assert Image.open(io.BytesIO(face.aligned_crop)).size == (112, 112)
    largest = faces_pb2.FaceDetectionOptions(selection=faces_pb2.FACE_SELECTION_LARGEST)
    response = await stub.DetectFaces(faces_pb2.DetectFacesRequest(images=[picture], options=largest))
    assert len(response.results[0].faces) == 1 and not response.results[0].faces[0].embedding.values
    assert response.results[0].faces[0].box == found.faces[0].box and response.results[0].found == 3
    small = faces_pb2.FaceDetectionOptions(max_faces=1, min_face_size=145)
    response = await stub.EmbedFaces(faces_pb2.EmbedFacesRequest(images=[picture, image(NOBODY)], options=small))
    assert [(len(result.faces), result.found) for result in response.results] == [(1, 2), (0, 0)]


async def test_compare_tells_people_apart(faces: Running) -> None:
    stub = faces_pb2_grpc.FaceServiceStub(faces.channel)
    one, again = image(pictures.portrait(1)), image(pictures.portrait(1, noise=5))
    other = image(pictures.portrait(2))
    same = await stub.CompareFaces(faces_pb2.CompareFacesRequest(first=one, second=again))
    different = await stub.CompareFaces(faces_pb2.CompareFacesRequest(first=one, second=other))
    assert same.is_match and not different.is_match
    assert same.match_threshold == pytest.approx(0.5) and 0 < same.expected_false_match_rate < 1e-3
    strict = await stub.CompareFaces(faces_pb2.CompareFacesRequest(first=one, second=again, false_match_rate=1e-6))
    assert strict.match_threshold > same.match_threshold
    stricter = await stub.CompareFaces(faces_pb2.CompareFacesRequest(first=one, second=again, false_match_rate=1e-12))
    assert stricter.beyond_calibration and not strict.beyond_calibration
    assert stricter.match_threshold > 0.7 and stricter.expected_false_match_rate == pytest.approx(1e-9)
    answer = await refusal(stub.CompareFaces, faces_pb2.CompareFacesRequest(first=one, second=image(NOBODY)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_FACE")
    assert "second" in answer.message


async def test_a_stream_of_frames_is_answered_in_order_and_goes_on_after_a_bad_one(faces: Running) -> None:
    stub = faces_pb2_grpc.FaceServiceStub(faces.channel)
    frames = [image(pictures.portrait(n, noise=n + 1)) for n in range(1, 6)]
    frames.insert(2, common_pb2.Image(encoded=b"junk"))

    async def requests() -> AsyncIterator[faces_pb2.EmbedFacesStreamRequest]:
        for number, frame in enumerate(frames):
            work = faces_pb2.EmbedFacesRequest(images=[frame])
            yield faces_pb2.EmbedFacesStreamRequest(id=str(number), request=work)

    answers = [answer async for answer in stub.EmbedFacesStream(requests())]
    assert [answer.id for answer in answers] == [str(number) for number in range(6)]
    assert [answer.WhichOneof("outcome") for answer in answers] == ["response"] * 2 + ["error"] + ["response"] * 3
    assert answers[2].error.reason == "NOT_AN_IMAGE"
    assert all(len(answers[n].response.results[0].faces) == 1 for n in (0, 1, 3, 4, 5))


async def test_a_detector_embeds_nothing(faces: Running) -> None:
    stub = faces_pb2_grpc.FaceServiceStub(faces.channel)
    detector = common_pb2.ModelRef(name="face-detector-nano")
    answer = await refusal(stub.EmbedFaces, faces_pb2.EmbedFacesRequest(images=[image(NOBODY)], embedder=detector))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_TASK")


async def test_the_faces_of_many_photos_share_batches(faces: Running) -> None:
    stub = faces_pb2_grpc.FaceServiceStub(faces.channel)
    photos = [image(pictures.group([n, n + 1, n + 2])) for n in range(10)]
    # Each face is counted with the size of the batch that it was in.
    before = read_batches(faces)
    response = await stub.EmbedFaces(faces_pb2.EmbedFacesRequest(images=photos))
    assert [len(result.faces) for result in response.results] == [3] * 10
    count, total = np.subtract(read_batches(faces), before)
    assert count == 30 and total > 30


def read_batches(service: Running) -> tuple[float, float]:
    """How many faces were embedded, and the sizes of their batches summed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.server.metrics_port}/metrics") as page:
        text = page.read().decode()
    series = 'convoy_batch_size_%s{model="face-embedder",version="1"} '
    values = [text.partition(series % name)[2].split() for name in ("count", "sum")]
    return tuple(float(value[0]) if value else 0.0 for value in values)  # type: ignore[return-value]


BAD = [
    ("EMPTY_IMAGE", common_pb2.Image()),  # neither encoded nor raw
    ("EMPTY_IMAGE", common_pb2.Image(encoded=b"")),
    ("NOT_AN_IMAGE", common_pb2.Image(encoded=b"GIF89a and so on")),
    ("TRUNCATED_IMAGE", common_pb2.Image(encoded=pictures.encode(RED, ".jpg")[:-40])),
    ("BAD_RAW_IMAGE", common_pb2.Image(raw=common_pb2.RawImage(width=9, height=9, data=b"short"))),
    ("BAD_RAW_IMAGE", common_pb2.Image(raw=common_pb2.RawImage(width=1, height=1, data=b"rgb", format=99))),
    (
        "BAD_RAW_IMAGE",
        common_pb2.Image(
            raw=common_pb2.RawImage(
                width=1, height=1, format=common_pb2.PIXEL_FORMAT_RGB32F, data=np.full(3, np.nan, "<f4").tobytes()
            )
        ),
    ),
]


@pytest.mark.parametrize(("reason", "bad"), BAD, ids=range(len(BAD)))
async def test_a_bad_picture_has_a_status_and_a_reason_and_harms_nobody(
    classification: Running, reason: str, bad: common_pb2.Image
) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(classification.channel)
    answer = await refusal(stub.Classify, classification_pb2.ClassifyRequest(images=[image(RED), bad]))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert answer.message.startswith("picture 2 of 2: ") and answer.metadata["image_index"] == "1"
    good = await stub.Classify(classification_pb2.ClassifyRequest(images=[image(RED)]))
    assert good.results[0].labels[0].name == "red"


async def test_sixty_megabytes_are_refused_with_a_reason(classification: Running) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(classification.channel)
    fat = common_pb2.Image(encoded=b"\xff\xd8" + bytes(60 * 2**20))
    answer = await refusal(stub.Classify, classification_pb2.ClassifyRequest(images=[fat]))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "IMAGE_TOO_LARGE")


async def test_messages_have_a_limit(models: Path) -> None:
    async with running("classification", models, max_message_mb=1) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        fat = common_pb2.Image(encoded=b"\xff\xd8" + bytes(2**20))
        answer = await refusal(stub.Classify, classification_pb2.ClassifyRequest(images=[fat]))
        assert answer.code == grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in answer.message


async def test_arguments_out_of_range_are_refused(classification: Running) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(classification.channel)
    pb = classification_pb2
    for request in (
        pb.ClassifyRequest(),
        pb.ClassifyRequest(images=[image(RED)] * 33),
        pb.ClassifyRequest(images=[image(RED)], min_probability=float("nan")),
        pb.ClassifyRequest(images=[image(RED)], min_probability=2),
        pb.ClassifyRequest(images=[image(RED)], top_k=10_001),
    ):
        answer = await refusal(stub.Classify, request)
        assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT")
    unknown = pb.ClassifyRequest(images=[image(RED)], model=common_pb2.ModelRef(name="nobody"))
    answer = await refusal(stub.Classify, unknown)
    assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    elsewhere = pb.ClassifyRequest(images=[image(RED)], model=common_pb2.ModelRef(name="bccd-yolo"))
    answer = await refusal(stub.Classify, elsewhere)
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_TASK")
    assert (
        answer.message
        == "the model 'bccd-yolo' does detection; this service does classification, embedding, signal_classification"
    )


async def test_health_reflection_and_metrics(classification: Running) -> None:
    health = health_pb2_grpc.HealthStub(classification.channel)
    for name in ("", "convoy.v1.ClassificationService"):
        status = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert status.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(classification.channel)
    listing = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    names = [s.name async for r in reflection.ServerReflectionInfo(listing) for s in r.list_services_response.service]
    assert "convoy.v1.ClassificationService" in names and "convoy.v1.ModelService" in names
    stub = classification_pb2_grpc.ClassificationServiceStub(classification.channel)
    await stub.Classify(classification_pb2.ClassifyRequest(images=[image(RED)]))
    with urllib.request.urlopen(f"http://127.0.0.1:{classification.server.metrics_port}/metrics") as page:
        text = page.read().decode()
    assert 'convoy_requests_total{code="OK",method="Classify",service="classification"}' in text
    for stage in ("preprocess", "queue", "infer", "postprocess"):
        assert f'convoy_stage_duration_seconds_count{{model="cifar10-resnet",stage="{stage}",version="1"}}' in text


def describe(port: int) -> ServiceDescriptor:
    """A service as a tool sees it that has nothing but reflection."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        return pool.FindServiceByName("convoy.v1.ClassificationService")


async def test_a_tool_that_has_only_reflection_can_call_and_sees_the_options(classification: Running) -> None:
    service = await asyncio.to_thread(describe, classification.server.port)
    method = service.methods_by_name["Classify"]
    scope = service.file.pool.FindExtensionByName("convoy.v1.scope")
    [(option, value)] = (
        GetMessageClass(method.GetOptions().DESCRIPTOR).FromString(method.GetOptions().SerializeToString()).ListFields()
    )
    assert (option.number, value) == (scope.number, "classification")
    request = GetMessageClass(method.input_type).FromString(
        classification_pb2.ClassifyRequest(images=[image(RED)]).SerializeToString()
    )
    call = classification.channel.unary_unary(f"/{service.full_name}/{method.name}", type(request).SerializeToString)
    answer = GetMessageClass(method.output_type).FromString(await call(request))
    assert len(answer.results) == 1 and answer.model.name == "cifar10-resnet"


async def test_the_callers_request_id_comes_back(classification: Running) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(classification.channel)
    call = stub.Classify(classification_pb2.ClassifyRequest(images=[image(RED)]), metadata=(("x-request-id", "abc"),))
    await call
    assert ("x-request-id", "abc") in tuple(await call.trailing_metadata())
