"""The imaging service as a real server: what it answers can be worked out, and what it cannot answer it refuses."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from convoy.core.manifest import Task
from convoy.inference import open_inference_pb2 as oip
from convoy.inference import open_inference_pb2_grpc
from convoy.testing.pictures import encode
from convoy.testing.tiny_models import write_model, write_repository
from convoy.v1 import common_pb2, models_pb2, models_pb2_grpc
from convoy.v1 import imaging_pb2 as pb
from convoy.v1.imaging_pb2_grpc import ImagingServiceStub
from PIL import Image

from tests.serving import Running, refusal, running

KERNEL = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def sharpened(picture: np.ndarray, border: int = cv2.BORDER_REFLECT_101) -> np.ndarray:
    return cv2.filter2D(picture.astype(np.float32), -1, KERNEL, borderType=border).clip(0, 255).astype(np.uint8)


def sent(picture: np.ndarray) -> common_pb2.Image:
    return common_pb2.Image(encoded=encode(picture))


def received(image: common_pb2.Image) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image.encoded)))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture
async def imaging(models: Path) -> AsyncIterator[Running]:
    async with running("imaging", models, max_image_pixels=200_000, max_message_mb=1) as service:
        yield service


async def test_pictures_of_several_sizes_come_back_sharpened_in_order(imaging: Running) -> None:
    pictures = [noise(1, 1), noise(90, 200), noise(64, 64)]
    request = pb.TransformRequest(images=map(sent, pictures))
    response = await ImagingServiceStub(imaging.channel).Transform(request)
    assert (response.model.name, response.model.version) == ("kernels-sharpen", "1")
    for picture, result in zip(pictures, response.results, strict=True):
        assert (received(result.picture) == sharpened(picture)).all()
        assert (result.size.height, result.size.width) == picture.shape[:2]
        assert result.size == result.image_size and result.format == pb.PICTURE_FORMAT_PNG


async def test_every_option_does_what_it_says(imaging: Running) -> None:
    stub, picture = ImagingServiceStub(imaging.channel), noise(70, 80)

    async def ask(**options: Any) -> common_pb2.Image:
        response = await stub.Transform(pb.TransformRequest(images=[sent(picture)], **options))
        return response.results[0].picture

    zero = await ask(border=pb.BORDER_HANDLING_ZERO)
    assert (received(zero) == sharpened(picture, cv2.BORDER_CONSTANT)).all()
    raw = (await ask(format=pb.PICTURE_FORMAT_RAW)).raw
    assert raw.format == common_pb2.PIXEL_FORMAT_RGB8 and raw.data == sharpened(picture).tobytes()
    grey = await ask(
        colour=pb.COLOUR_HANDLING_LUMINANCE, mapping=pb.VALUE_MAPPING_CENTRED, format=pb.PICTURE_FORMAT_RAW
    )
    assert grey.raw.format == common_pb2.PIXEL_FORMAT_GRAY8 and len(grey.raw.data) == 70 * 80
    bright = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    centred = (cv2.filter2D(bright, -1, KERNEL, borderType=cv2.BORDER_REFLECT_101) + 128).clip(0, 255)
    assert (np.frombuffer(grey.raw.data, np.uint8).reshape(70, 80) == centred).all()
    lossless = await ask(format=pb.PICTURE_FORMAT_WEBP, quality=100)
    assert (received(lossless) == sharpened(picture)).all()
    best, worst = [await ask(format=pb.PICTURE_FORMAT_JPEG, quality=quality) for quality in (0, 5)]
    assert len(best.encoded) > 2 * len(worst.encoded) and received(best).shape == (70, 80, 3)


async def test_an_answer_is_a_picture_that_may_be_sent_again(imaging: Running) -> None:
    stub, picture = ImagingServiceStub(imaging.channel), noise(20, 30)
    first = await stub.Transform(pb.TransformRequest(images=[sent(picture)], format=pb.PICTURE_FORMAT_RAW))
    again = await stub.Transform(pb.TransformRequest(images=[first.results[0].picture]))
    assert (received(again.results[0].picture) == sharpened(sharpened(picture))).all()


async def test_a_stream_goes_on_after_a_bad_picture(imaging: Running) -> None:
    async def requests() -> AsyncIterator[pb.TransformStreamRequest]:
        for name, content in (
            ("a", sent(noise(8, 8))),
            ("b", common_pb2.Image(encoded=b"junk")),
            ("c", sent(noise(9, 9))),
        ):
            yield pb.TransformStreamRequest(id=name, request=pb.TransformRequest(images=[content]))

    answers = [answer async for answer in ImagingServiceStub(imaging.channel).TransformStream(requests())]
    assert [(a.id, a.WhichOneof("outcome")) for a in answers] == [("a", "response"), ("b", "error"), ("c", "response")]
    assert answers[1].error.reason == "NOT_AN_IMAGE"


TALL = np.zeros((17_000, 2, 3), np.uint8)
SMALL = np.zeros((8, 8, 3), np.uint8)
CUT_SHORT = common_pb2.Image(encoded=encode(noise(400, 500), ".png")[:5000])


@pytest.mark.parametrize(
    ("reason", "words", "options"),
    [
        ("BAD_MASK", "takes no mask", {"masks": [sent(SMALL)]}),
        ("BAD_MASK", "2 masks for 1 pictures", {"masks": [sent(SMALL), sent(SMALL)]}),
        ("NO_SUCH_STYLE", "it has no styles", {"styles": {"waves": 1.0}}),
        ("BAD_ARGUMENT", "takes none", {"noise_level": 5.0}),
        ("BAD_ARGUMENT", "quality is 101", {"quality": 101}),
        ("BAD_ARGUMENT", "colour 7 is not known", {"colour": 7}),
        ("BAD_ARGUMENT", "mapping 9 is not known", {"mapping": 9}),
        ("BAD_ARGUMENT", "border 5 is not known", {"border": 5}),
        ("BAD_ARGUMENT", "format 6 is not known", {"format": 6}),
        ("ANSWER_TOO_LARGE", "at most 16,383 a side", {"images": [sent(TALL)], "format": pb.PICTURE_FORMAT_WEBP}),
        (
            "ANSWER_TOO_LARGE",
            "a message may have",
            {"images": [sent(np.zeros((400, 500, 3), np.uint8))] * 6, "format": pb.PICTURE_FORMAT_RAW},
        ),
        (
            # Before any work: the pictures are cut short, and nobody notices.
            "ANSWER_TOO_LARGE",
            "the answer may have 1,200,000 bytes as plain pixels",
            {"images": [CUT_SHORT] * 2, "format": pb.PICTURE_FORMAT_RAW},
        ),
        ("ANSWER_TOO_LARGE", "bytes as PNG; a message may have", {"images": [CUT_SHORT] * 2}),
        (
            "ANSWER_TOO_LARGE",
            "bytes as JPEG; a message may have",
            {"images": [CUT_SHORT] * 4, "format": pb.PICTURE_FORMAT_JPEG},
        ),
        (
            "ANSWER_TOO_LARGE",
            "bytes as WEBP; a message may have",
            {"images": [CUT_SHORT] * 2, "format": pb.PICTURE_FORMAT_WEBP, "quality": 100},
        ),
        ("TOO_MANY_PIXELS", "at most 200,000", {"images": [sent(np.zeros((1000, 1000, 3), np.uint8))]}),
        ("BAD_ARGUMENT", "the call has 0 pictures", {"images": []}),
    ],
)
async def test_what_cannot_be_answered_is_refused(imaging: Running, reason: str, words: str, options: Any) -> None:
    request = pb.TransformRequest(**({"images": [sent(SMALL)]} | options))
    refused = await refusal(ImagingServiceStub(imaging.channel).Transform, request)
    assert (refused.code.name, refused.reason) == ("INVALID_ARGUMENT", reason), refused
    assert words in refused.message


async def test_what_fits_as_jpeg_is_answered_although_it_would_not_fit_as_png(imaging: Running) -> None:
    images = [common_pb2.Image(encoded=encode(noise(390, 500), ".jpg", 70))] * 3
    request = pb.TransformRequest(images=images, format=pb.PICTURE_FORMAT_JPEG)
    response = await ImagingServiceStub(imaging.channel).Transform(request)
    assert [received(result.picture).shape for result in response.results] == [(390, 500, 3)] * 3
    request.format = pb.PICTURE_FORMAT_PNG
    refused = await refusal(ImagingServiceStub(imaging.channel).Transform, request)
    assert refused.reason == "ANSWER_TOO_LARGE" and int(refused.metadata["answer_bytes"]) > 3 * 390 * 500 * 3


async def test_animated_and_deep_pictures_are_taken_as_everywhere(imaging: Running) -> None:
    first, second, file = noise(12, 14), SMALL, io.BytesIO()
    frames = [Image.fromarray(frame).resize((14, 12)) for frame in (first, second)]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    deep = cv2.imencode(".png", (first[..., 0].astype(np.uint16) << 8) + 77)[1].tobytes()
    images = [common_pb2.Image(encoded=file.getvalue()), common_pb2.Image(encoded=deep)]
    response = await ImagingServiceStub(imaging.channel).Transform(pb.TransformRequest(images=images))
    assert (received(response.results[0].picture) == sharpened(first)).all()
    grey = np.repeat(first[..., :1], 3, axis=2)
    assert np.abs(received(response.results[1].picture).astype(int) - sharpened(grey)).max() <= 5


async def test_the_tensor_door_gives_the_graphs_own_numbers(imaging: Running) -> None:
    stub = open_inference_pb2_grpc.GRPCInferenceServiceStub(imaging.channel)
    picture = noise(10, 12)
    tensor = oip.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=[1, 10, 12, 3])
    request = oip.ModelInferRequest(
        model_name="kernels-sharpen", inputs=[tensor], raw_input_contents=[picture.tobytes()]
    )
    response = await stub.ModelInfer(request)
    assert list(response.outputs[0].shape) == [1, 8, 10, 3]
    numbers = np.frombuffer(response.raw_output_contents[0], np.float32).reshape(8, 10, 3)
    assert (numbers == cv2.filter2D(picture.astype(np.float32), -1, KERNEL)[1:-1, 1:-1]).all() and numbers.min() < 0
    tensor.shape[:] = [1, 2, 2, 3]
    request = oip.ModelInferRequest(model_name="kernels-sharpen", inputs=[tensor], raw_input_contents=[bytes(12)])
    assert (await refusal(stub.ModelInfer, request)).reason == "BAD_TENSOR"


async def test_a_repository_from_before_this_service_starts_it_without_a_default_model(tmp_path: Path) -> None:
    write_model(tmp_path, "camvid-unet", Task.SEGMENTATION)
    async with running("imaging", tmp_path) as service:
        request = pb.TransformRequest(images=[sent(SMALL)])
        refused = await refusal(ImagingServiceStub(service.channel).Transform, request)
        assert (refused.code.name, refused.reason) == ("NOT_FOUND", "MODEL_NOT_FOUND")
        assert "name a model in the request" in refused.message
        write_model(tmp_path, "mine", Task.PICTURE_TO_PICTURE)
        models = models_pb2_grpc.ModelServiceStub(service.channel)
        listed = (await models.ListModels(models_pb2.ListModelsRequest())).models
        assert [info.model.name for info in listed] == ["mine"]
        request.model.name = "mine"
        assert (await ImagingServiceStub(service.channel).Transform(request)).model.name == "mine"


async def test_a_default_model_that_was_chosen_must_be_there(tmp_path: Path) -> None:
    write_model(tmp_path, "camvid-unet", Task.SEGMENTATION)
    with pytest.raises(Exception, match="mine"):
        async with running("imaging", tmp_path, imaging_model="mine"):
            pass
