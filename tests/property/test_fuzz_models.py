"""Manifests and graphs that nobody would write: refused with a sentence, or they answer; the service lives on."""

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from convoy.core.errors import KINDS
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Task, digest
from convoy.inference import open_inference_pb2 as oip
from convoy.testing.tiny_models import write_model, write_repository
from convoy.v1 import classification_pb2, common_pb2, detection_pb2, models_pb2, segmentation_pb2
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing import PICTURES, broken, in_background
from tests.serving import running

NAME = "fuzzed"
CODES = {"OK", *KINDS}
MODEL = common_pb2.ModelRef(name=NAME, version="1")
PICTURE = common_pb2.Image(encoded=PICTURES[0])
TENSOR = oip.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=[1, 112, 112, 3])
ASKED: dict[Task, tuple[str, str, Message]] = {
    Task.CLASSIFICATION: (
        "classification",
        "/convoy.v1.ClassificationService/Classify",
        classification_pb2.ClassifyRequest(images=[PICTURE], model=MODEL),
    ),
    Task.DETECTION: (
        "detection",
        "/convoy.v1.DetectionService/Detect",
        detection_pb2.DetectRequest(images=[PICTURE], model=MODEL),
    ),
    Task.SEGMENTATION: (
        "segmentation",
        "/convoy.v1.SegmentationService/Segment",
        segmentation_pb2.SegmentRequest(images=[PICTURE], model=MODEL),
    ),
    Task.FACE_DETECTION: (
        "detection",
        "/convoy.v1.DetectionService/Detect",
        detection_pb2.DetectRequest(images=[PICTURE], model=MODEL),
    ),
    # The faces service answers by the models that it was started with; the Open Inference Protocol takes any.
    Task.FACE_EMBEDDING: (
        "faces",
        "/inference.GRPCInferenceService/ModelInfer",
        oip.ModelInferRequest(model_name=NAME, inputs=[TENSOR], raw_input_contents=[bytes(112 * 112 * 3)]),
    ),
}
ODD = [
    None,
    True,
    0,
    1,
    -1,
    2,
    10**9,
    10**30,
    0.5,
    -0.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "1",
    "../x",
    [],
    {},
    ["x"],
]


@asynccontextmanager
async def serving(models: Path) -> AsyncIterator[dict[str, str]]:
    async with (
        running("classification", models, model_poll_s=0, admin=True) as classification,
        running("detection", models, model_poll_s=0, admin=True) as detection,
        running("segmentation", models, model_poll_s=0, admin=True) as segmentation,
        running("faces", models, model_poll_s=0, admin=True) as faces,
    ):
        servers = {
            "classification": classification,
            "detection": detection,
            "segmentation": segmentation,
            "faces": faces,
        }
        yield {name: f"127.0.0.1:{one.server.port}" for name, one in servers.items()}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def channels(models: Path) -> Iterator[dict[str, grpc.Channel]]:
    with in_background(serving(models)) as addresses:
        opened = {name: grpc.insecure_channel(address) for name, address in addresses.items()}
        yield opened
        for channel in opened.values():
            channel.close()


@st.composite
def documents(draw: st.DrawFn, document: Any) -> Any:
    """A JSON document with some of its values replaced or left out."""
    if isinstance(document, dict):
        fates = {key: draw(st.sampled_from(["keep"] * 8 + ["odd", "gone"])) for key in document}
        kept = {key: value for key, value in document.items() if fates[key] != "gone"}
        return {k: draw(st.sampled_from(ODD)) if fates[k] == "odd" else draw(documents(v)) for k, v in kept.items()}
    if isinstance(document, list):
        items = [draw(documents(item)) for item in document]
        return items[: draw(st.integers(0, len(items)))] if draw(st.integers(0, 9)) == 0 else items
    return draw(st.sampled_from(ODD)) if draw(st.integers(0, 9)) == 0 else document


def status(channel: grpc.Channel, method: str, request: Message) -> str:
    try:
        channel.unary_unary(method, type(request).SerializeToString, None)(request, timeout=60)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def check(channel: grpc.Channel, method: str, request: Message) -> None:
    """Load what is on disk, ask it, describe it, unload it."""
    admin = "/convoy.v1.ModelService/"
    loaded = status(channel, admin + "LoadModel", models_pb2.LoadModelRequest(model=MODEL))
    assert loaded in {"OK", "FAILED_PRECONDITION"}
    described = [
        status(channel, admin + "ListModels", models_pb2.ListModelsRequest()),
        status(channel, "/inference.GRPCInferenceService/RepositoryIndex", oip.RepositoryIndexRequest()),
    ]
    assert described == ["OK", "OK"]
    if loaded == "OK":
        codes = {
            status(channel, method, request),
            status(channel, "/inference.GRPCInferenceService/ModelMetadata", oip.ModelMetadataRequest(name=NAME)),
            status(channel, "/inference.GRPCInferenceService/ModelConfig", oip.ModelConfigRequest(name=NAME)),
            status(channel, admin + "UnloadModel", models_pb2.UnloadModelRequest(model=MODEL)),
        }
        assert codes <= CODES
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert health.status == health_pb2.HealthCheckResponse.SERVING


def prepare(models: Path, task: Task) -> tuple[Path, bytes, Any]:
    """The folder of the model to spoil, a good graph and a good manifest."""
    folder = models / NAME / "1"
    shutil.rmtree(folder, ignore_errors=True)
    write_model(models, NAME, task)
    return folder, (folder / GRAPH_FILE).read_bytes(), json.loads((folder / MANIFEST_FILE).read_text())


TESTED = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("task", ASKED, ids=str)
def test_the_model_that_is_spoilt_answers(channels: dict[str, grpc.Channel], models: Path, task: Task) -> None:
    prepare(models, task)
    service, method, request = ASKED[task]
    load = models_pb2.LoadModelRequest(model=MODEL)
    assert status(channels[service], "/convoy.v1.ModelService/LoadModel", load) == "OK"
    assert status(channels[service], method, request) == "OK"
    unload = models_pb2.UnloadModelRequest(model=MODEL)
    assert status(channels[service], "/convoy.v1.ModelService/UnloadModel", unload) == "OK"


@pytest.mark.parametrize("task", ASKED, ids=str)
@given(data=st.data())
@TESTED
def test_odd_manifests(channels: dict[str, grpc.Channel], models: Path, task: Task, data: st.DataObject) -> None:
    service, method, request = ASKED[task]
    folder, _, manifest = prepare(models, task)
    content = json.dumps(data.draw(documents(manifest))).encode()
    if data.draw(st.integers(0, 4)) == 0:
        content = data.draw(broken(content))
    (folder / MANIFEST_FILE).write_bytes(content)
    check(channels[service], method, request)


@pytest.mark.parametrize("task", ASKED, ids=str)
@given(data=st.data())
@TESTED
def test_odd_graphs(channels: dict[str, grpc.Channel], models: Path, task: Task, data: st.DataObject) -> None:
    service, method, request = ASKED[task]
    folder, graph, manifest = prepare(models, task)
    (folder / GRAPH_FILE).write_bytes(data.draw(broken(graph)))
    manifest["sha256"] = digest(folder / GRAPH_FILE)
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    check(channels[service], method, request)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"{", b"", b"null", b"\xff", b"[]", b'{"a":' * 50_000])
def test_manifests_that_are_no_document(channels: dict[str, grpc.Channel], models: Path, content: bytes) -> None:
    service, method, request = ASKED[Task.CLASSIFICATION]
    folder, _, _ = prepare(models, Task.CLASSIFICATION)
    (folder / MANIFEST_FILE).write_bytes(content)
    check(channels[service], method, request)
