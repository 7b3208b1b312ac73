"""Explanations by real services: maps that can be worked out, and requests that are refused."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import numpy as np
import onnx.parser
import onnxruntime
import pytest
from convoy.cli.app import app
from convoy.client.answers.common import Box
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest, Task, digest
from convoy.core.serving import explaining
from convoy.drawing.drawing import draw_explanation
from convoy.importing.inspection import inspect
from convoy.importing.model_import import import_model
from convoy.importing.request import Request
from convoy.testing import pictures
from convoy.testing.fleet import fleet
from convoy.testing.pictures import encode
from convoy.testing.tiny_models import HEADER, write_repository
from convoy.v1 import classification_pb2 as pb
from convoy.v1 import common_pb2, detection_pb2, explanation_pb2, faces_pb2, segmentation_pb2
from convoy.v1.classification_pb2_grpc import ClassificationServiceStub
from convoy.v1.detection_pb2_grpc import DetectionServiceStub
from convoy.v1.faces_pb2_grpc import FaceServiceStub
from convoy.v1.segmentation_pb2_grpc import SegmentationServiceStub
from PIL import Image
from typer.testing import CliRunner

from tests import foreign_models
from tests.serving import Running, refusal, running

FLOATS = explanation_pb2.MAP_FORMAT_FLOAT32


def sent(picture: np.ndarray) -> common_pb2.Image:
    return common_pb2.Image(encoded=encode(picture))


def red_in_the_corner(side: int = 32) -> np.ndarray:
    picture = np.full((side, side, 3), 90, np.uint8)
    picture[: side // 4, : side // 4] = (200, 60, 60)
    return picture


def read_map(explanation: explanation_pb2.Explanation) -> np.ndarray:
    shape = explanation.map_size.height, explanation.map_size.width
    if explanation.map_format == FLOATS:
        return np.frombuffer(explanation.map, "<f4").reshape(shape)
    grey = np.asarray(Image.open(io.BytesIO(explanation.map))).astype(np.float32)
    assert grey.shape == shape
    return (grey - 128) * explanation.peak / 127


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture
async def service(models: Path) -> AsyncIterator[Running]:
    async with running("classification", models) as one:
        yield one


def probability_of_red(picture: np.ndarray) -> float:
    """What the tiny classifier answers, by hand."""
    powers = np.exp(picture.mean(axis=(0, 1)) / 10)
    return float(powers[0] / powers.sum())


def falls_by_hand(picture: np.ndarray, score: Callable[[np.ndarray], float]) -> np.ndarray:
    """By how much the score falls for each cover of a picture of 32 x 32 in four cells."""
    falls = np.zeros((3, 3))
    for row, column in np.ndindex(3, 3):
        covered = picture.copy()
        rows, columns = (slice(max(0, 16 * place - 16), 16 * place + 16) for place in (row, column))
        covered[rows, columns] = np.rint(picture.mean(axis=(0, 1)))
        falls[row, column] = score(picture) - score(covered)
    return falls


async def test_the_map_is_what_covering_by_hand_gives(service: Running) -> None:
    picture = red_in_the_corner()
    options = explanation_pb2.ExplanationOptions(cells=2, map_format=FLOATS)
    response = await ClassificationServiceStub(service.channel).Explain(
        pb.ExplainRequest(image=sent(picture), label="red", options=options)
    )
    falls = falls_by_hand(picture, probability_of_red)
    found = read_map(response.explanation)
    assert response.explanation.score == pytest.approx(probability_of_red(picture), abs=1e-5)
    for row, column in np.ndindex(2, 2):
        expected = falls[row : row + 2, column : column + 2].mean()
        assert found[31 * row, 31 * column] == pytest.approx(expected, abs=1e-5)
    assert found[0, 0] > 0 > found[31, 31]
    assert (response.label, response.index, response.explanation.looks) == ("red", 0, 10)
    assert (response.model.name, response.model.version) == ("cifar10-resnet", "1")


async def test_without_a_label_the_most_probable_one_and_with_an_overlay(service: Running) -> None:
    picture = red_in_the_corner(200)
    request = pb.ExplainRequest(image=sent(picture), options=explanation_pb2.ExplanationOptions(overlay=True))
    response = await ClassificationServiceStub(service.channel).Explain(request)
    explanation = response.explanation
    assert response.label == "red" and explanation.map_format == explanation_pb2.MAP_FORMAT_PNG
    assert explanation.looks == 82 and explanation.image_size == common_pb2.Size(width=200, height=200)
    values, overlay = read_map(explanation), np.asarray(Image.open(io.BytesIO(explanation.overlay))).astype(int)
    assert np.unravel_index(values.argmax(), values.shape) < (60, 60)
    assert np.abs(values).max() == pytest.approx(explanation.peak)
    assert overlay.shape == (200, 200, 3) and overlay[60, 60, 0] > overlay[60, 60, 2]


async def test_a_plain_picture_has_no_place_that_matters(service: Running) -> None:
    plain = np.full((40, 30, 3), 77, np.uint8)
    response = await ClassificationServiceStub(service.channel).Explain(pb.ExplainRequest(image=sent(plain)))
    assert response.explanation.peak == 0 and not read_map(response.explanation).any()


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (pb.ExplainRequest(image=sent(red_in_the_corner()), label="dog"), "INVALID_ARGUMENT", "BAD_ARGUMENT"),
        (
            pb.ExplainRequest(
                image=sent(red_in_the_corner()), options=explanation_pb2.ExplanationOptions(cells=4_000_000_000)
            ),
            "INVALID_ARGUMENT",
            "BAD_ARGUMENT",
        ),
        (
            pb.ExplainRequest(
                image=sent(red_in_the_corner()), options=explanation_pb2.ExplanationOptions(map_format=9)
            ),
            "INVALID_ARGUMENT",
            "BAD_ARGUMENT",
        ),
        (pb.ExplainRequest(), "INVALID_ARGUMENT", "EMPTY_IMAGE"),
        (pb.ExplainRequest(image=common_pb2.Image(encoded=b"junk")), "INVALID_ARGUMENT", "NOT_AN_IMAGE"),
        (
            pb.ExplainRequest(image=sent(red_in_the_corner()), model=common_pb2.ModelRef(name="bccd-yolo")),
            "FAILED_PRECONDITION",
            "WRONG_TASK",
        ),
    ],
    ids=["label", "cells", "format", "no picture", "junk", "task"],
)
async def test_what_is_refused(service: Running, request_: pb.ExplainRequest, code: str, reason: str) -> None:
    answer = await refusal(ClassificationServiceStub(service.channel).Explain, request_)
    assert (answer.code.name, answer.reason) == (code, reason)
    if request_.label:
        assert "no label 'dog'; it has: red, green, blue" in answer.message


async def test_a_caller_who_gives_up_stops_the_work(service: Running) -> None:
    stub = ClassificationServiceStub(service.channel)
    options = explanation_pb2.ExplanationOptions(cells=24)
    request = pb.ExplainRequest(image=sent(red_in_the_corner()), options=options)
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await stub.Explain(request, timeout=0.02)
    assert late.value.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
    # Its place is free again, so that an ordinary call is answered.
    assert (await stub.Explain(pb.ExplainRequest(image=sent(red_in_the_corner())), timeout=60)).explanation.looks == 82


async def test_many_at_once_are_refused_and_ordinary_calls_are_not(service: Running) -> None:
    stub = ClassificationServiceStub(service.channel)
    options = explanation_pb2.ExplanationOptions(cells=24)
    request = pb.ExplainRequest(image=sent(red_in_the_corner()), options=options)
    calls = [stub.Explain(request) for _ in range(20)]
    ended = await asyncio.gather(
        *calls, stub.Classify(pb.ClassifyRequest(images=[sent(red_in_the_corner())])), return_exceptions=True
    )
    codes = [one.code().name for one in ended if isinstance(one, grpc.aio.AioRpcError)]
    assert len(codes) == 11 and set(codes) == {"RESOURCE_EXHAUSTED"}, "half of 18 places are for one caller"
    assert ended[-1].results[0].labels[0].name == "red"


async def test_a_graph_that_answers_no_number_is_named(tmp_path: Path) -> None:
    graph = """
    broken (uint8[N, 32, 32, 3] images) => (float[N, 3] probabilities) {
        pixels = Cast <to = 1> (images)
        rows_columns = Constant <value_ints = [1, 2]> ()
        mean = ReduceMean <keepdims = 0> (pixels, rows_columns)
        limit = Constant <value_float = -100.0> ()
        less = Add (mean, limit)
        probabilities = Sqrt (less)
    }
    """
    folder = write_repository(tmp_path) / "cifar10-resnet" / "1"
    onnx.save(onnx.parser.parse_model(HEADER + graph), folder / "model.onnx")
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_text())
    changed = manifest.model_copy(update={"sha256": digest(folder / "model.onnx")})
    (folder / "manifest.json").write_text(changed.model_dump_json())
    async with running("classification", tmp_path) as service:
        request = pb.ExplainRequest(image=sent(np.full((32, 32, 3), 50, np.uint8)))
        answer = await refusal(ClassificationServiceStub(service.channel).Explain, request)
    assert (answer.code.name, answer.reason) == ("FAILED_PRECONDITION", "BAD_MODEL")


async def test_an_imported_network_is_explained(tmp_path: Path) -> None:
    """The network gathers cells of 8 pixels and averages: its foreign file, run on covered pictures, gives the map."""
    file = foreign_models.classifier(4, softmax=True).save(tmp_path / "net.onnx")
    lines = foreign_models.write_lines(tmp_path / "labels.txt", ["cat", "dog", "bird", "fish"])
    asked = Request(file, Task.CLASSIFICATION, "MIT", models=tmp_path, labels=lines, preprocess="zero-one")
    import_model(inspect(asked))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(4).integers(0, 256, (32, 32, 3), np.uint8)

    def score(pixels: np.ndarray) -> float:
        return float(session.run(None, {"input.1": pixels.astype(np.float32).transpose(2, 0, 1)[None] / 255})[0][0, 1])

    options = explanation_pb2.ExplanationOptions(cells=2, map_format=FLOATS)
    async with running("classification", tmp_path, model="net") as service:
        request = pb.ExplainRequest(image=sent(picture), label="dog", options=options)
        response = await ClassificationServiceStub(service.channel).Explain(request)
    falls = falls_by_hand(picture, score)
    corners = read_map(response.explanation)[::31, ::31]
    cells = [[falls[row : row + 2, column : column + 2].mean() for column in range(2)] for row in range(2)]
    np.testing.assert_allclose(corners, cells, atol=1e-5)


async def test_a_detection_rests_on_its_object_and_a_plain_corner_is_of_no_account(models: Path) -> None:
    """The tiny detector's box goes around all bright pixels: what is covered in it makes the box smaller, or two."""
    picture = pictures.with_box((20, 30, 60, 70), width=96, height=96)
    async with running("detection", models) as service:
        stub = DetectionServiceStub(service.channel)
        options = explanation_pb2.ExplanationOptions(cells=4)
        request = detection_pb2.ExplainDetectionRequest(image=sent(picture), label="bright", options=options)
        response = await stub.ExplainDetection(request)
        place = response.place
        assert [place.x_min, place.y_min, place.x_max, place.y_max] == pytest.approx([20, 30, 60, 70], abs=0.01)
        values = read_map(response.explanation)
        assert response.label == "bright" and response.explanation.score == pytest.approx(0.9, abs=1e-3)
        row, column = np.unravel_index(values.argmax(), values.shape)
        assert 20 <= column < 60 and 30 <= row < 70 and values[94, 94] == 0 == values[2, 94]
        same = detection_pb2.ExplainDetectionRequest(image=sent(picture), place=place)
        assert (await stub.ExplainDetection(same)).label == "bright"
        elsewhere = common_pb2.Box(x_min=200, y_min=0, x_max=300, y_max=10)
        for bad in (elsewhere, common_pb2.Box(), common_pb2.Box(x_min=float("nan"), x_max=1, y_max=1)):
            answer = await refusal(
                stub.ExplainDetection, detection_pb2.ExplainDetectionRequest(image=sent(picture), place=bad)
            )
            assert answer.reason == "BAD_ARGUMENT"
        unknown = detection_pb2.ExplainDetectionRequest(image=sent(picture), label="dog")
        assert "it has: bright, dark" in (await refusal(stub.ExplainDetection, unknown)).message


async def test_a_class_needs_its_own_pixels_where_the_network_looks_at_nothing_else(models: Path) -> None:
    """The tiny segmenter looks at single pixels: a quarter is bright, a cover in it takes its own area away."""
    picture = np.full((48, 64, 3), 20, np.uint8)
    picture[:24, :32] = 250
    options = explanation_pb2.ExplanationOptions(cells=4, map_format=FLOATS)
    async with running("segmentation", models) as service:
        stub = SegmentationServiceStub(service.channel)
        request = segmentation_pb2.ExplainSegmentationRequest(image=sent(picture), label="bright", options=options)
        explanation = (await stub.ExplainSegmentation(request)).explanation
        values = read_map(explanation)
        assert explanation.score == pytest.approx(0.25)
        # Cells of 16 x 16, covers of 32 x 32 that move by 16: so many bright pixels hide those over the first cell.
        shares = [16 * 16, 32 * 16, 16 * 24, 32 * 24]
        assert values[0, 0] == pytest.approx(np.mean(shares) / (48 * 64), abs=1e-5)
        assert values[47, 63] == 0
        far = common_pb2.Box(x_min=40, y_min=30, x_max=60, y_max=45)
        request = segmentation_pb2.ExplainSegmentationRequest(image=sent(picture), label="bright", place=far)
        answer = await refusal(stub.ExplainSegmentation, request)
        assert (answer.code.name, answer.reason) == ("FAILED_PRECONDITION", "NOTHING_TO_EXPLAIN")
        largest = segmentation_pb2.ExplainSegmentationRequest(image=sent(picture))
        assert (await stub.ExplainSegmentation(largest)).label == "dark"


async def test_a_class_without_a_label_is_named_before_the_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_repository(tmp_path) / "camvid-unet" / "1"
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_text())
    assert manifest.labels == ["dark", "bright"]
    (folder / "manifest.json").write_text(manifest.model_copy(update={"labels": ["dark"]}).model_dump_json())
    monkeypatch.setattr(explaining, "look_again", lambda *_: pytest.fail("it looks"))
    async with running("segmentation", tmp_path) as service:
        request = segmentation_pb2.ExplainSegmentationRequest(image=sent(np.full((48, 64, 3), 250, np.uint8)))
        answer = await refusal(SegmentationServiceStub(service.channel).ExplainSegmentation, request)
    assert (answer.code.name, answer.reason) == ("FAILED_PRECONDITION", "BAD_MODEL")
    assert "finds class 1 but has only 1 labels" in answer.message


async def test_what_makes_a_face_similar_lies_in_the_face(models: Path) -> None:
    one, other = pictures.portrait(1), pictures.portrait(2)
    async with running("faces", models) as service:
        stub = FaceServiceStub(service.channel)
        compared = await stub.CompareFaces(faces_pb2.CompareFacesRequest(first=sent(one), second=sent(other)))
        options = explanation_pb2.ExplanationOptions(map_format=FLOATS, overlay=True)
        request = faces_pb2.ExplainComparisonRequest(first=sent(one), second=sent(other), explanation=options)
        response = await stub.ExplainComparison(request)
        nobody = faces_pb2.ExplainComparisonRequest(first=sent(one), second=sent(pictures.plain()))
        answer = await refusal(stub.ExplainComparison, nobody)
    assert response.explanation.score == pytest.approx(compared.similarity, abs=1e-5)
    values = read_map(response.explanation)
    assert values.shape == one.shape[:2] and np.isfinite(values).all() and values.max() > 0
    row, column = np.unravel_index(np.abs(values).argmax(), values.shape)
    box = response.first.box
    assert box.x_min <= column <= box.x_max and box.y_min <= row <= box.y_max
    assert np.asarray(Image.open(io.BytesIO(response.explanation.overlay))).shape == (112, 112, 3)
    assert (answer.code.name, answer.reason) == ("FAILED_PRECONDITION", "NO_FACE")


async def test_the_command_draws_a_map(service: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOY_CLASSIFICATION_ADDRESS", f"127.0.0.1:{service.server.port}")
    photo, drawn = tmp_path / "photo.png", tmp_path / "out.png"
    photo.write_bytes(encode(red_in_the_corner(100)))
    words = ("explain", str(photo), "--label", "red", "--cells", "4", "--draw", str(drawn))
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert done.exit_code == 0, done.output
    assert done.stdout.split()[:1] and "red" in done.stdout
    assert np.asarray(Image.open(drawn)).shape[1] == 100
    unknown = await asyncio.to_thread(CliRunner().invoke, app, ("explain", str(photo), "--label", "dog"))
    assert unknown.exit_code == 2 and "no label 'dog'" in unknown.stderr
    for words, said in (
        (("--place", "1,2,3"), "X_MIN"),
        (("--place", "1,2,30,40"), "--task"),
        (("--against", str(photo), "--label", "red"), "leave out"),
    ):
        refused = await asyncio.to_thread(CliRunner().invoke, app, ("explain", str(photo), *words))
        assert refused.exit_code == 2 and said in refused.stderr


def test_the_client_reads_every_kind_of_explanation(models: Path) -> None:
    photo, portrait = pictures.with_box((20, 30, 60, 70), width=96, height=96), pictures.portrait(1)
    with fleet(models=models) as started:
        convoy = started.convoy
        exact, rounded = (convoy.explain(red_in_the_corner(64), "red", exact=exact) for exact in (True, False))
        np.testing.assert_allclose(exact.heat, rounded.heat, atol=exact.peak / 127)
        assert exact.heat.shape == (64, 64) and exact.strongest.x < 20 > exact.strongest.y
        assert json.loads(json.dumps(exact.to_dict()))["label"] == "red" and "heat" not in exact.to_dict()
        found = convoy.explain_detection(photo, "bright", place=(20, 30, 60, 70), cells=4, overlay=True)
        assert found.place == Box(20, 30, 60, 70) and found.overlay_png.startswith(b"\x89PNG")
        assert draw_explanation(photo, found).shape[1] == 96
        assert convoy.explain_segmentation(photo, "bright", place=(0, 0, 96, 80)).label == "bright"
        alike = convoy.explain_comparison(portrait, portrait, cells=4).explanation
        assert alike is not None and alike.score == pytest.approx(1, abs=1e-4) and alike.heat.max() > 0
        with pytest.raises(InvalidArgument):
            convoy.explain_detection(photo, place=(1, 2, 3))
