"""The parameters of the Open Inference Protocol that are served. Any other is refused by its name.

A parameter that is ignored in silence gives an answer that the caller did not ask for. Sources: Triton's extensions
"schedule policy", "classification", "shared memory", "parameters" and "model repository".
"""

import time
from collections.abc import Collection, Mapping

from convoy.core.errors import InvalidArgument
from convoy.core.turns import current_turn
from convoy.inference import open_inference_pb2 as pb

_EMPTY_FINAL = "triton_enable_empty_final_response"
_FINAL = "triton_final_response"
# The last of these belong to the protocol over HTTP. KServe's client sends them over gRPC too, where they mean nothing.
_OF_A_REQUEST = ("timeout", "priority", _EMPTY_FINAL, "binary_data_output")
_OF_AN_INPUT = ("binary_data_size",)
_OF_AN_OUTPUT = ("classification", "binary_data")
_OF_AN_UNLOAD = ("unload_dependents",)
_US = 1e6


def check(request: pb.ModelInferRequest) -> None:
    """Raise InvalidArgument(UNSUPPORTED_PARAMETER) if a request, an input or an output has a parameter not served."""
    _refuse_others(request.parameters, _OF_A_REQUEST, "of a request")
    for tensor in request.inputs:
        _refuse_others(tensor.parameters, _OF_AN_INPUT, "of an input")
    for output in request.outputs:
        _refuse_others(output.parameters, _OF_AN_OUTPUT, "of an output")


def check_load(request: pb.RepositoryModelLoadRequest) -> None:
    """Raise InvalidArgument(UNSUPPORTED_PARAMETER) for `config` and files: a model is what its folder says."""
    _refuse_others(request.parameters, (), "of a load")


def check_unload(request: pb.RepositoryModelUnloadRequest) -> None:
    """Raise InvalidArgument(UNSUPPORTED_PARAMETER). `unload_dependents` is taken, since no model depends on another."""
    _refuse_others(request.parameters, _OF_AN_UNLOAD, "of an unload")


def expiry(request: pb.ModelInferRequest) -> float | None:
    """When the request's `timeout`, in microseconds from now, is over, on time.monotonic's clock; None for never.

    Raises InvalidArgument(BAD_ARGUMENT).
    """
    timeout_us = _whole_number(request.parameters, "timeout")
    return time.monotonic() + timeout_us / _US if timeout_us else None


def priority(request: pb.ModelInferRequest) -> int:
    """Convert Triton's priority (1: most urgent, 0: default) to our queue's, where the highest number comes first.

    Raises InvalidArgument(BAD_ARGUMENT).
    """
    level = _whole_number(request.parameters, "priority")
    if not current_turn().may_hurry:
        return 0  # as Triton does where the model's configuration has no priorities
    return max(1, 1_000_000 - level) if level else 0


def mark_final(request: pb.ModelInferRequest, response: pb.ModelInferResponse) -> None:
    """Say in the response that it is the last one of its request, if the request asks for that.

    Each request has one response, so no empty one ever follows. Raises InvalidArgument(BAD_ARGUMENT).
    """
    if _EMPTY_FINAL in request.parameters:
        asked = request.parameters[_EMPTY_FINAL]
        if asked.WhichOneof("parameter_choice") != "bool_param":
            raise InvalidArgument("BAD_ARGUMENT", f"the parameter {_EMPTY_FINAL} must be true or false")
        if asked.bool_param:
            response.parameters[_FINAL].bool_param = True


def class_count(output: pb.ModelInferRequest.InferRequestedOutputTensor) -> int:
    """How many classes to return in place of the output's numbers; 0 for the numbers.

    Raises InvalidArgument(BAD_ARGUMENT).
    """
    return _whole_number(output.parameters, "classification")


def _refuse_others(parameters: Collection[str], served: Collection[str], whose: str) -> None:
    for name in parameters:
        if name not in served:
            raise _unsupported(name, whose)


def _unsupported(name: str, whose: str) -> InvalidArgument:
    message = f"the parameter '{name:.100}' {whose} is not served"
    if name.startswith("shared_memory"):
        message += "; send and receive tensors in the message, since shared memory is not served"
    return InvalidArgument("UNSUPPORTED_PARAMETER", message, {"parameter": f"{name:.100}"})


def _whole_number(parameters: Mapping[str, pb.InferParameter], name: str) -> int:
    if name not in parameters:
        return 0
    value = parameters[name]
    choice = value.WhichOneof("parameter_choice")
    number = int(getattr(value, choice)) if choice in ("int64_param", "uint64_param") else -1
    if number < 0:
        raise InvalidArgument("BAD_ARGUMENT", f"the parameter {name} must be a whole number of at least 0")
    return number
