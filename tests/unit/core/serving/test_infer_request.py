"""Tensors are read where they lie in the message, and nothing else is read otherwise than protobuf reads it."""

import numpy as np
import pytest
from convoy.core.serving.infer_request import InferRequest
from convoy.core.serving.tensors import read_inputs
from convoy.inference import open_inference_pb2 as pb
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st


def message(raw: list[bytes], name: str = "m") -> pb.ModelInferRequest:
    tensors = [
        pb.ModelInferRequest.InferInputTensor(name=f"t{i}", datatype="UINT8", shape=[len(r)]) for i, r in enumerate(raw)
    ]
    request = pb.ModelInferRequest(model_name=name, id="7", inputs=tensors, raw_input_contents=raw)
    request.parameters["timeout"].int64_param = 5
    return request


@given(st.lists(st.binary(max_size=300), max_size=5), st.text(max_size=20))
def test_it_reads_what_protobuf_reads(raw: list[bytes], name: str) -> None:
    sent = message(raw, name)
    read = InferRequest.from_bytes(sent.SerializeToString())
    assert [bytes(tensor) for tensor in read.raw] == raw
    del sent.raw_input_contents[:]
    assert read.message == sent


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_end_as_with_protobuf(raw: bytes, noise: bytes) -> None:
    content = message([raw]).SerializeToString() + noise
    try:
        wanted = pb.ModelInferRequest.FromString(content)
    except DecodeError:
        with pytest.raises(DecodeError):
            InferRequest.from_bytes(content)
        return
    read = InferRequest.from_bytes(content)
    assert [bytes(tensor) for tensor in read.raw] == list(wanted.raw_input_contents)


def test_tensors_are_views_of_the_message() -> None:
    content = message([bytes(range(100))]).SerializeToString()
    (values,) = read_inputs(InferRequest.from_bytes(content)).values()
    assert np.shares_memory(values, np.frombuffer(content, np.uint8))


def test_many_fields_are_left_to_protobuf() -> None:
    content = message([bytes([number]) for number in range(200)]).SerializeToString()
    assert [bytes(tensor) for tensor in InferRequest.from_bytes(content).raw] == [bytes([n]) for n in range(200)]
