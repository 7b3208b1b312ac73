"""The Open Inference Protocol, with the real tritonclient in its own process (both have the package `inference`)."""

import asyncio
import json
import math
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from convoy.core.models.budget import PixelBudget
from convoy.core.models.engine import Engine, Outputs
from convoy.inference import open_inference_pb2, open_inference_pb2_grpc
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import classification_pb2, classification_pb2_grpc, common_pb2

from tests.serving import refusal, running

FOREIGN_CLIENT = Path(__file__).with_name("foreign_client.py")
DESCRIBE = """
import json
from tritonclient.grpc import model_config_pb2, service_pb2
fields = {}
def describe(message):
    fields[message.full_name] = {field.name: [field.number, field.type] for field in message.fields}
    for inner in message.nested_types:
        describe(inner)
for file in (model_config_pb2, service_pb2):
    for message in file.DESCRIPTOR.message_types_by_name.values():
        describe(message)
print(json.dumps(fields))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


def test_field_numbers_are_tritons() -> None:
    done = subprocess.run([sys.executable, "-c", DESCRIBE], capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)

    def compare(message: object) -> int:
        for field in message.fields:  # type: ignore[attr-defined]
            assert theirs[message.full_name][field.name] == [field.number, field.type], field.full_name  # type: ignore[attr-defined]
        return 1 + sum(map(compare, message.nested_types))  # type: ignore[attr-defined]

    messages = open_inference_pb2.DESCRIPTOR.message_types_by_name.values()
    assert sum(map(compare, messages)) > 30


async def test_tritonclient_works_unchanged(models: Path) -> None:
    async with running("classification", models, admin=True) as service:
        command = [sys.executable, str(FOREIGN_CLIENT), str(service.server.port)]
        child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, problems = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == 0, problems.decode()
    said = json.loads(output)
    assert said["live"] and said["ready"] and said["model_ready"] == [True, False, False]
    assert said["server"]["name"] == "convoy"
    assert said["metadata"]["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": ["-1", "32", "32", "3"]}]
    assert said["metadata"]["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": ["-1", "3"]}]
    assert said["config"]["config"]["max_batch_size"] == 4
    assert said["config"]["config"]["input"][0]["format"] == "FORMAT_NHWC"
    assert said["raw"] == [0, 1, 2]
    best = [first.split(":")[1:] for first, _ in said["classes"]]
    assert best == [["0", "red"], ["1", "green"], ["2", "blue"]]
    assert all("shared_memory" in error for error in said["in_memory"]) and "'config'" in said["with_config"]
    assert said["stream"][::2] == [0, 2] and "BAD_TENSOR" in said["stream"][1]
    assert all("INVALID_ARGUMENT" in error for error in said["errors"])
    ready = [one for one in said["index"]["models"] if one["state"] == "READY"]  # others are loaded when they are asked
    assert ready == [{"name": "cifar10-resnet", "version": "1", "state": "READY"}]
    stats = said["statistics"]["model_stats"][0]
    # Four requests were answered: of three pictures twice, and of one in a stream twice.
    assert stats["inference_count"] == "8" and int(stats["execution_count"]) <= 8
    stages = ("success", "queue", "compute_input", "compute_infer", "compute_output")
    assert [stats["inference_stats"][stage]["count"] for stage in stages] == ["4"] * 5
    spent_ns = [int(stats["inference_stats"][stage]["ns"]) for stage in stages]
    assert all(spent_ns) and sum(spent_ns[1:]) <= spent_ns[0]


async def test_typed_contents_are_answered_with_typed_contents(models: Path) -> None:
    async with running("classification", models) as service:
        stub = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel)
        green = np.zeros((1, 32, 32, 3), np.uint32)
        green[..., 1] = 200
        pb = open_inference_pb2
        contents = pb.InferTensorContents(uint_contents=green.reshape(-1).tolist())
        tensor = pb.ModelInferRequest.InferInputTensor(
            name="images", datatype="UINT8", shape=green.shape, contents=contents
        )
        request = pb.ModelInferRequest(model_name="cifar10-resnet", inputs=[tensor])
        response = await stub.ModelInfer(request)
        assert not response.raw_output_contents
        assert int(np.argmax(response.outputs[0].contents.fp32_contents)) == 1
        contents.uint_contents[0] = 300
        tensor.contents.CopyFrom(contents)
        wrong = pb.ModelInferRequest(model_name="cifar10-resnet", inputs=[tensor])
        assert (await refusal(stub.ModelInfer, wrong)).reason == "BAD_TENSOR"
        for shape in ([-1, 32, 32, 3], [2**62, 2**62, 2**62, 3], [0, 32, 32, 3], []):
            tensor = pb.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=shape)
            hostile = pb.ModelInferRequest(model_name="cifar10-resnet", inputs=[tensor], raw_input_contents=[b""])
            assert (await refusal(stub.ModelInfer, hostile)).reason == "BAD_TENSOR"
        tensor = pb.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=[129, 32, 32, 3])
        crowd = pb.ModelInferRequest(
            model_name="cifar10-resnet", inputs=[tensor], raw_input_contents=[bytes(129 * 32 * 32 * 3)]
        )
        many = await refusal(stub.ModelInfer, crowd)
        assert (many.code, many.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_TENSOR")


async def test_contradictions_are_refused(models: Path) -> None:
    pb = open_inference_pb2
    pixels = bytes(32 * 32 * 3)
    tensor = pb.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=[1, 32, 32, 3])
    typed = pb.ModelInferRequest.InferInputTensor()
    typed.CopyFrom(tensor)
    typed.contents.uint_contents.extend(pixels)
    output = pb.ModelInferRequest.InferRequestedOutputTensor(name="probabilities")
    both = pb.ModelInferRequest(model_name="cifar10-resnet", inputs=[typed], raw_input_contents=[pixels])
    twice = pb.ModelInferRequest(model_name="cifar10-resnet", inputs=[tensor, tensor], raw_input_contents=[pixels] * 2)
    outputs = pb.ModelInferRequest(
        model_name="cifar10-resnet", inputs=[tensor], outputs=[output, output], raw_input_contents=[pixels]
    )
    async with running("classification", models) as service:
        infer = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel).ModelInfer
        for request, words in ((both, "not both"), (twice, "twice"), (outputs, "2 times")):
            refused = await refusal(infer, request)
            assert refused.reason == "BAD_TENSOR" and words in refused.message
        # What is typed is answered typed, also as text.
        output.parameters["classification"].int64_param = 5
        asked = pb.ModelInferRequest(model_name="cifar10-resnet", inputs=[typed], outputs=[output])
        answer = await infer(asked)
        assert (answer.outputs[0].datatype, answer.outputs[0].shape[:]) == ("BYTES", [1, 3])
        best = answer.outputs[0].contents.bytes_contents[0]
        assert best.split(b":")[1:] == [b"0", b"red"]


async def test_classes_are_of_outputs_that_have_them(models: Path) -> None:
    async with running("detection", models) as service:
        infer = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel).ModelInfer
        request = _zeros(1, 64, 64, 3)
        request.outputs.add(name="boxes").parameters["classification"].int64_param = 2
        assert (await refusal(infer, request)).reason == "BAD_ARGUMENT"


async def test_the_parameter_timeout_is_answered_while_the_engine_runs(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, run = threading.Event(), Engine.run
    done.set()

    def slow(self: Engine, *arguments: Any, **more: Any) -> Outputs:
        assert done.wait(30)
        return run(self, *arguments, **more)

    monkeypatch.setattr(Engine, "run", slow)
    async with running("detection", models) as service:
        stub = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel)
        done.clear()
        request = _zeros(1, 64, 64, 3)
        request.parameters["timeout"].int64_param = 50_000
        late = await refusal(stub.ModelInfer, request)
        streamed = [one.error_message async for one in stub.ModelStreamInfer(iter([request]))]
        assert not done.is_set()  # The engine answered neither.
        done.set()
        assert (late.code, late.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert len(streamed) == 1 and "DEADLINE_EXCEEDED" in streamed[0]
        stats = (await stub.ModelStatistics(open_inference_pb2.ModelStatisticsRequest(name="bccd-yolo"))).model_stats[0]
        assert (stats.inference_stats.fail.count, stats.inference_stats.success.count) == (2, 0)


async def test_pictures_are_counted_as_tensors_are(models: Path) -> None:
    async with running("classification", models) as service:
        picture = common_pb2.Image(encoded=pictures.encode(pictures.plain()))
        typed = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        await typed.Classify(classification_pb2.ClassifyRequest(images=[picture, picture]))
        stub = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel)
        stats = (await stub.ModelStatistics(open_inference_pb2.ModelStatisticsRequest())).model_stats[0]
        timed = stats.inference_stats
        assert (stats.inference_count, timed.success.count) == (2, 1)
        assert timed.compute_input.count == timed.compute_infer.count == timed.compute_output.count == 1


def _zeros(*shape: int) -> open_inference_pb2.ModelInferRequest:
    pb = open_inference_pb2
    tensor = pb.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=shape)
    return pb.ModelInferRequest(model_name="bccd-yolo", inputs=[tensor], raw_input_contents=[bytes(math.prod(shape))])


async def test_a_call_to_a_model_of_free_size_has_a_most_of_pixels(models: Path) -> None:
    async with running("detection", models, max_tensor_pixels=64 * 64) as service:
        infer = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel).ModelInfer
        for shape in [(1, 64, 96, 3), (2, 64, 64, 3)]:
            refused = await refusal(infer, _zeros(*shape))
            assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_PIXELS")
            assert refused.metadata["max_pixels"] == "4096"
        assert (await infer(_zeros(1, 64, 64, 3))).outputs
        assert (await infer(_zeros(4, 32, 32, 3))).outputs


async def test_calls_to_models_of_free_size_do_not_add_up(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, peaks = [0], []
    taken = PixelBudget.taken

    @asynccontextmanager
    async def counted(self: PixelBudget, pixels: int) -> AsyncIterator[None]:
        async with taken(self, pixels):
            at_work[0] += pixels
            peaks.append(at_work[0])
            yield
            at_work[0] -= pixels

    monkeypatch.setattr(PixelBudget, "taken", counted)
    async with running("detection", models, max_tensor_pixels=64 * 64) as service:
        infer = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel).ModelInfer
        await asyncio.gather(*(infer(_zeros(1, 64, 64, 3)) for _ in range(8)))
    assert len(peaks) == 8 and max(peaks) <= 2 * 64 * 64
