"""Infer requests and answers over REST: numbers in JSON, or as bytes after it (the protocol's binary extension)."""

import math
import re
from typing import Any

import numpy as np
import orjson

from convoy.core.errors import InvalidArgument
from convoy.core.serving.tensors import DTYPES, MOST_DIMENSIONS
from convoy.inference import open_inference_pb2 as pb
from convoy.web.json_messages import dump

HEADER = "inference-header-content-length"
_LONGEST = 2**31
_LENGTH = re.compile(r"[0-9]{1,12}")


def read_infer(content: bytes, header: str | None) -> tuple[pb.ModelInferRequest, "Binary"]:
    """The request, and which outputs come as bytes. header: how many bytes of the content are JSON; None for all.

    Raises InvalidArgument(BAD_JSON, BAD_TENSOR, BAD_ARGUMENT).
    """
    length = len(content) if header is None else int(header) if _LENGTH.fullmatch(header) else -1
    if not 0 <= length <= len(content):
        raise InvalidArgument("BAD_ARGUMENT", f"the header {HEADER} is {str(header)[:40]!r}, but the body is shorter")
    try:
        value = orjson.loads(content[:length])
    except ValueError as error:
        raise InvalidArgument("BAD_JSON", f"the body is not JSON: {str(error)[:200]}") from None
    request = pb.ModelInferRequest(id=_text(_object(value, "the body"), "id"))
    parameters = _object(value.get("parameters") or {}, "parameters")
    binary = Binary(all=parameters.pop("binary_data_output", False) is True)
    _write_parameters(request.parameters, parameters)
    rest = memoryview(content)[length:]
    for tensor in _list(value.get("inputs"), "inputs"):
        rest = _add_input(request, _object(tensor, "an input"), rest)
    if rest:
        raise InvalidArgument("BAD_TENSOR", f"{len(rest)} bytes of the body belong to no input")
    for tensor in _list(value.get("outputs") or [], "outputs"):
        output = request.outputs.add(name=_text(_object(tensor, "an output"), "name"))
        wanted = _object(tensor.get("parameters") or {}, "parameters")
        if "binary_data" in wanted:
            binary.by_name[output.name] = wanted.pop("binary_data") is True
        _write_parameters(output.parameters, wanted)
    return request, binary


class Binary:
    """Which outputs come as bytes."""

    def __init__(self, all: bool) -> None:
        self.all = all
        self.by_name: dict[str, bool] = {}

    def wants(self, name: str) -> bool:
        """Whether this one does."""
        return self.by_name.get(name, self.all)


def write_infer(response: pb.ModelInferResponse, binary: Binary) -> tuple[bytes, int | None]:
    """The answer's body, and how many of its bytes are JSON if others follow."""
    outputs, parts = [], []
    for tensor, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        output: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if binary.wants(tensor.name):
            output["parameters"] = {"binary_data_size": len(raw)}
            parts.append(raw)
        else:
            output["data"] = _numbers(tensor.datatype, raw)
        outputs.append(output)
    value: dict[str, Any] = {"model_name": response.model_name, "model_version": response.model_version}
    if response.id:
        value["id"] = response.id
    if parameters := {name: _parameter(one) for name, one in response.parameters.items()}:
        value["parameters"] = parameters
    head = dump(value | {"outputs": outputs})
    return (head + b"".join(parts), len(head)) if parts else (head, None)


def _add_input(request: pb.ModelInferRequest, tensor: dict[str, Any], rest: memoryview) -> memoryview:
    """Add one input; give what is left of the bytes after the JSON."""
    name, datatype = _text(tensor, "name"), _text(tensor, "datatype")
    shape = _list(tensor.get("shape"), "shape")
    is_shape = all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= _LONGEST for one in shape)
    if not is_shape or len(shape) > MOST_DIMENSIONS or datatype not in DTYPES:
        raise InvalidArgument("BAD_TENSOR", f"input {name[:60]}: no such datatype, or no shape of a tensor")
    added = request.inputs.add(name=name, datatype=datatype, shape=shape)
    parameters = _object(tensor.get("parameters") or {}, "parameters")
    size = parameters.pop("binary_data_size", None)
    _write_parameters(added.parameters, parameters)
    if size is None:
        request.raw_input_contents.append(_bytes_of(tensor.get("data"), datatype, shape, name))
        return rest
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest) or "data" in tensor:
        raise InvalidArgument("BAD_TENSOR", f"input {name[:60]}: binary_data_size does not fit the body")
    request.raw_input_contents.append(bytes(rest[:size]))
    return rest[size:]


def _bytes_of(data: Any, datatype: str, shape: list[int], name: str) -> bytes:
    dtype = DTYPES[datatype]
    try:
        # From a list NumPy refuses numbers that do not fit, unlike from an array.
        values = np.array(data, dtype)
    except (ValueError, TypeError, OverflowError):
        raise InvalidArgument("BAD_TENSOR", f"input {name[:60]}: its data is no array of {datatype}") from None
    if data is None or values.size != math.prod(shape):
        raise InvalidArgument("BAD_TENSOR", f"input {name[:60]}: {values.size} numbers do not fill the shape {shape}")
    return values.tobytes()


def _numbers(datatype: str, raw: bytes) -> list[Any]:
    if datatype != "BYTES":
        found: list[Any] = np.frombuffer(raw, DTYPES[datatype]).tolist()
        return found
    texts, place = [], 0
    while place < len(raw):
        size = int.from_bytes(raw[place : place + 4], "little")
        texts.append(raw[place + 4 : place + 4 + size].decode(errors="replace"))
        place += 4 + size
    return texts


def _write_parameters(into: Any, parameters: dict[str, Any]) -> None:
    for name, value in parameters.items():
        if isinstance(value, bool):
            into[name].bool_param = value
        elif isinstance(value, int) and -(2**63) <= value < 2**63:
            into[name].int64_param = value
        elif isinstance(value, float):
            into[name].double_param = value
        elif isinstance(value, str):
            into[name].string_param = value
        else:
            raise InvalidArgument("BAD_ARGUMENT", f"the parameter {name[:60]!r} is no number, text, true or false")


def _parameter(parameter: pb.InferParameter) -> Any:
    which = parameter.WhichOneof("parameter_choice")
    return None if which is None else getattr(parameter, which)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidArgument("BAD_JSON", f"{what} is no JSON object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidArgument("BAD_JSON", f"{what} is no list")
    return value


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name, "")
    if not isinstance(found, str):
        raise InvalidArgument("BAD_JSON", f"{name} is no text")
    return found
