"""Explanations by real services: maps that can be worked out, and requests that are refused."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import numpy as np
import onnx.parser
import onnxruntime
import pytest
from convoy.cli.app import app
from convoy.core.manifest import Manifest, Task, digest
from convoy.importing.inspection import inspect
from convoy.importing.model_import import import_model
from convoy.importing.request import Request
from convoy.testing.pictures import encode
from convoy.testing.tiny_models import HEADER, write_repository
from convoy.v1 import classification_pb2 as pb
from convoy.v1 import common_pb2, explanation_pb2
from convoy.v1.classification_pb2_grpc import ClassificationServiceStub
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
