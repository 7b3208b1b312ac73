"""Parameters of the Open Inference Protocol are served or refused by name, never ignored."""

import time
from collections.abc import Callable

import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.serving import tensor_parameters
from convoy.inference import open_inference_pb2 as pb

Change = Callable[[pb.ModelInferRequest], object]


def a_request() -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="m")
    request.inputs.add(name="images")
    request.outputs.add(name="probabilities")
    return request


REFUSED: dict[str, Change] = {
    "shared_memory_region": lambda r: r.inputs[0].parameters["shared_memory_region"].MergeFrom(TEXT),
    "shared_memory_byte_size": lambda r: r.outputs[0].parameters["shared_memory_byte_size"].MergeFrom(ONE),
    "sequence_id": lambda r: r.parameters["sequence_id"].MergeFrom(ONE),
    "threshold": lambda r: r.parameters["threshold"].MergeFrom(ONE),
    "classification": lambda r: r.parameters["classification"].MergeFrom(ONE),
}
ONE = pb.InferParameter(int64_param=1)
TEXT = pb.InferParameter(string_param="region")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_refused_by_its_name(name: str) -> None:
    request = a_request()
    tensor_parameters.check(request)
    REFUSED[name](request)
    with pytest.raises(InvalidArgument, match=f"'{name}'") as refused:
        tensor_parameters.check(request)
    assert refused.value.reason == "UNSUPPORTED_PARAMETER"
    assert refused.value.metadata["parameter"] == name


def test_what_is_served_is_taken() -> None:
    request = a_request()
    request.parameters["timeout"].int64_param = 1_000_000
    request.parameters["priority"].uint64_param = 1
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    request.outputs[0].parameters["classification"].int64_param = 3
    request.inputs[0].parameters["binary_data_size"].int64_param = 3072  # as KServe's client does
    tensor_parameters.check(request)
    left_s = (tensor_parameters.expiry(request) or 0) - time.monotonic()
    assert 0 < left_s <= 1
    assert tensor_parameters.priority(request) > 0
    assert tensor_parameters.class_count(request.outputs[0]) == 3


def test_a_response_says_that_it_is_the_last_if_that_is_asked() -> None:
    request, response = a_request(), pb.ModelInferResponse()
    tensor_parameters.mark_final(request, response)
    request.parameters["triton_enable_empty_final_response"].bool_param = False
    tensor_parameters.mark_final(request, response)
    assert not response.parameters
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    tensor_parameters.mark_final(request, response)
    assert response.parameters["triton_final_response"].bool_param
    request.parameters["triton_enable_empty_final_response"].string_param = "yes"
    with pytest.raises(InvalidArgument, match="true or false"):
        tensor_parameters.mark_final(request, response)


def test_a_timeout_of_nothing_is_none() -> None:
    request = a_request()
    assert tensor_parameters.expiry(request) is None
    request.parameters["timeout"].int64_param = 0
    assert tensor_parameters.expiry(request) is None


@pytest.mark.parametrize(("kind", "value"), [("int64_param", -1), ("string_param", "5")])
def test_a_number_that_is_none_is_refused(kind: str, value: object) -> None:
    request = a_request()
    setattr(request.parameters["timeout"], kind, value)
    with pytest.raises(InvalidArgument, match="timeout"):
        tensor_parameters.expiry(request)


def test_a_load_with_another_configuration_is_refused_and_an_unload_of_dependents_is_taken() -> None:
    load = pb.RepositoryModelLoadRequest(model_name="m")
    tensor_parameters.check_load(load)
    load.parameters["config"].string_param = "{}"
    with pytest.raises(InvalidArgument, match="'config'"):
        tensor_parameters.check_load(load)
    unload = pb.RepositoryModelUnloadRequest(model_name="m")
    unload.parameters["unload_dependents"].bool_param = False
    tensor_parameters.check_unload(unload)
    unload.parameters["force"].bool_param = True
    with pytest.raises(InvalidArgument, match="'force'"):
        tensor_parameters.check_unload(unload)
