"""Typed contents are turned piece by piece, and off the event loop: other calls go on meanwhile."""

import threading

import numpy as np
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.serving import tensors
from convoy.core.serving.infer_request import InferRequest
from convoy.core.serving.tensor_servicer import _off_loop
from convoy.inference import open_inference_pb2 as pb


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "_PIECE", 4)


def request(numbers: list[int]) -> InferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(name="images", datatype="UINT8", shape=[len(numbers)])
    tensor.contents.uint_contents.extend(numbers)
    return InferRequest(pb.ModelInferRequest(inputs=[tensor]), [])


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_typed_contents_of_every_length_come_whole(count: int) -> None:
    numbers = list(range(count))
    read = tensors.read_inputs(request(numbers))["images"]
    assert (read.tolist(), read.dtype) == (numbers, np.uint8)
    response = pb.ModelInferResponse()
    tensors.write_outputs(response, {"same": read.astype(np.float32)}, raw=False)
    assert list(response.outputs[0].contents.fp32_contents) == numbers


def test_a_number_that_does_not_fit_is_refused_in_each_piece() -> None:
    with pytest.raises(InvalidArgument, match="does not fit UINT8"):
        tensors.read_inputs(request([0] * 8 + [300]))


async def test_only_typed_contents_take_a_thread() -> None:
    typed, raw = request([1]), InferRequest(pb.ModelInferRequest(), [memoryview(b"\1")])
    assert await _off_loop(typed, threading.current_thread) is not threading.current_thread()
    assert await _off_loop(raw, threading.current_thread) is threading.current_thread()
