"""A full queue over the wire: refused at once, with when to come again, through both doors."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from convoy.core.engine import Engine, Outputs
from convoy.inference import open_inference_pb2 as pb
from convoy.inference import open_inference_pb2_grpc
from convoy.v1 import classification_pb2, classification_pb2_grpc, common_pb2
from prometheus_client import REGISTRY

from tests import tiny_pictures
from tests.serving import refusal, running
from tests.tiny_models import write_repository

SIDE = 32
PIXELS = np.zeros((1, SIDE, SIDE, 3), np.uint8)
TENSOR = pb.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=PIXELS.shape)
TENSORS = pb.ModelInferRequest(model_name="cifar10-resnet", inputs=[TENSOR], raw_input_contents=[PIXELS.tobytes()])
PICTURE = common_pb2.Image(encoded=tiny_pictures.encode(tiny_pictures.plain()))


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


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path, gate: threading.Event) -> None:
    settings: dict[str, Any] = {"threads": 1, "queue_size": 2, "max_batch_size": 1}
    async with running("classification", write_repository(tmp_path), **settings) as service:
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
        assert not any(call.done() for call in accepted)
        gate.set()
        answers = await asyncio.gather(*accepted)
        assert all(answer.raw_output_contents for answer in answers)
