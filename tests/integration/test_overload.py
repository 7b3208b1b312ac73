"""A full queue over the wire: refused at once, with when to come again, through both doors."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from convoy.client import AsyncConvoy
from convoy.core.errors import ResourceExhausted
from convoy.core.manifest import Task
from convoy.core.models.engine import Engine, Outputs
from convoy.inference import open_inference_pb2 as pb
from convoy.inference import open_inference_pb2_grpc
from convoy.testing import pictures
from convoy.testing.tiny_models import write_model, write_repository
from convoy.v1 import classification_pb2, classification_pb2_grpc, common_pb2
from prometheus_client import REGISTRY

from tests.serving import refusal, running

SIDE = 32
PIXELS = np.zeros((1, SIDE, SIDE, 3), np.uint8)
TENSOR = pb.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=PIXELS.shape)


def tensors_for(model: str) -> pb.ModelInferRequest:
    return pb.ModelInferRequest(model_name=model, inputs=[TENSOR], raw_input_contents=[PIXELS.tobytes()])


TENSORS = tensors_for("cifar10-resnet")
PICTURE = common_pb2.Image(encoded=pictures.encode(pictures.plain()))


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is closed the engine runs nothing."""
    opened = threading.Event()
    opened.set()
    run = Engine.run

    def gated(self: Engine, *arguments: Any, **more: Any) -> Outputs:
        assert opened.wait(30)
        return run(self, *arguments, **more)

    monkeypatch.setattr(Engine, "run", gated)
    return opened


async def never() -> AsyncIterator[bytes]:
    """No message, and no end of messages either."""
    await asyncio.Event().wait()
    yield b""


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path, gate: threading.Event) -> None:
    settings: dict[str, Any] = {"threads": 1, "queue_size": 2, "max_batch_size": 1}
    models = write_repository(tmp_path)
    for (
        folder
    ) in models.iterdir():  # a message without a header may be for a model that is not loaded yet, and comes in
        if folder.name != "cifar10-resnet":
            shutil.rmtree(folder)
    async with running("classification", models, **settings) as service:
        tensors = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel)
        typed = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        await tensors.ModelInfer(TENSORS)
        gate.clear()
        # One runs, one is ready behind it, two wait.
        accepted = [asyncio.ensure_future(tensors.ModelInfer(TENSORS)) for _ in range(4)]
        while REGISTRY.get_sample_value("convoy_queue_depth", {"model": "cifar10-resnet", "version": "1"}) != 2:
            await asyncio.sleep(0.01)
        for call, request in (
            (tensors.ModelInfer, TENSORS),
            (typed.Classify, classification_pb2.ClassifyRequest(images=[PICTURE])),
        ):
            refused = await refusal(call, request)
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
            assert refused.metadata["queue_size"] == "2"
            assert refused.retry_delay_s is not None and refused.retry_delay_s > 0
        # Before its message has come: who never sends it is refused nevertheless.
        for method in ("/inference.GRPCInferenceService/ModelInfer", "/convoy.v1.ClassificationService/Classify"):
            silent = service.channel.stream_unary(method)
            refused = await refusal(silent, never())
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert (await tensors.ServerLive(pb.ServerLiveRequest())).live
        assert (await tensors.ModelMetadata(pb.ModelMetadataRequest(name="cifar10-resnet"))).inputs
        assert not any(call.done() for call in accepted)
        gate.set()
        answers = await asyncio.gather(*accepted)
        assert all(answer.raw_output_contents for answer in answers)


async def test_only_the_model_that_a_call_names_refuses_it(tmp_path: Path, gate: threading.Event) -> None:
    write_model(write_repository(tmp_path), "other", Task.CLASSIFICATION)
    settings: dict[str, Any] = {"threads": 1, "queue_size": 2, "max_batch_size": 1}
    async with running("classification", tmp_path, **settings) as service:
        tensors = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel)
        await tensors.ModelInfer(TENSORS)
        gate.clear()
        accepted = [asyncio.ensure_future(tensors.ModelInfer(TENSORS)) for _ in range(4)]
        while REGISTRY.get_sample_value("convoy_queue_depth", {"model": "cifar10-resnet", "version": "1"}) != 2:
            await asyncio.sleep(0.01)
        for method in ("/inference.GRPCInferenceService/ModelInfer", "/convoy.v1.ClassificationService/Classify"):
            silent = service.channel.stream_unary(method)
            # Without a name, or by one that is not known, it might go to the other model.
            waiting = [silent(never(), metadata=header) for header in (None, named("other"), named("unknown"))]
            for name in ("cifar10-resnet", "cifar10-resnet:1", ""):
                refused = await refusal(partial(silent, never(), metadata=named(name)))
                assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
            assert not any(call.done() for call in waiting)
            for call in waiting:
                call.cancel()
        # Whose name is not the message's is refused by the one or by the other, and keeps nobody out.
        for request, name in ((TENSORS, "other"), (tensors_for("other"), "cifar10-resnet")):
            lying = await refusal(partial(tensors.ModelInfer, request, metadata=named(name)))
            assert lying.reason == "QUEUE_FULL"
        accepted.append(asyncio.ensure_future(tensors.ModelInfer(tensors_for("other"), metadata=named("other"))))
        async with AsyncConvoy(classification=f"127.0.0.1:{service.server.port}") as convoy:
            typed = asyncio.ensure_future(convoy.classify(pictures.plain(), model="other:1"))
            with pytest.raises(ResourceExhausted):
                await convoy.classify(pictures.plain())
            assert not any(call.done() for call in (*accepted, typed))
            gate.set()
            assert all(answer.raw_output_contents for answer in await asyncio.gather(*accepted))
            assert (await typed).best


def named(model: str) -> tuple[tuple[str, str]]:
    return (("convoy-model", model),)


async def test_a_call_that_ends_without_its_message(tmp_path: Path) -> None:
    async with running("classification", write_repository(tmp_path)) as service:
        infer = service.channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        refused = await refusal(infer, iter(()))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_MESSAGE")
        gone = infer(never())
        before = cancelled()
        await gone.wait_for_connection()
        await asyncio.sleep(0.1)
        gone.cancel()
        while cancelled() == before:
            await asyncio.sleep(0.01)


def cancelled() -> float:
    labels = {"service": "classification", "method": "ModelInfer", "code": "CANCELLED"}
    return REGISTRY.get_sample_value("convoy_requests_total", labels) or 0.0
