"""Turns tensors of the Open Inference Protocol into NumPy arrays and back."""

import math

import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument
from convoy.core.serving.infer_request import InferRequest
from convoy.inference import open_inference_pb2 as pb

Array = npt.NDArray[np.generic]

DTYPES: dict[str, np.dtype[np.generic]] = {
    name: np.dtype(code)
    for name, code in {
        "BOOL": "?",
        "UINT8": "u1",
        "UINT16": "<u2",
        "UINT32": "<u4",
        "UINT64": "<u8",
        "INT8": "i1",
        "INT16": "<i2",
        "INT32": "<i4",
        "INT64": "<i8",
        "FP16": "<f2",
        "FP32": "<f4",
        "FP64": "<f8",
    }.items()
}
MOST_DIMENSIONS = 8
_LONGEST = 2**31
# So many numbers of typed contents are turned at a time, a few milliseconds, in which no other thread runs.
_PIECE = 2**16
NAMES = {dtype: name for name, dtype in DTYPES.items()}
_CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def read_inputs(request: InferRequest) -> dict[str, Array]:
    """Read the request's inputs by name, without copying raw ones. Raises InvalidArgument(BAD_TENSOR)."""
    raw, inputs = request.raw, request.message.inputs
    if raw and len(raw) != len(inputs):
        raise InvalidArgument("BAD_TENSOR", f"the request has {len(inputs)} inputs and {len(raw)} raw contents")
    read: dict[str, Array] = {}
    for i, tensor in enumerate(inputs):
        if tensor.name in read:
            raise InvalidArgument("BAD_TENSOR", f"the request has the input '{tensor.name}' twice")
        if raw and tensor.contents.ByteSize():
            raise InvalidArgument("BAD_TENSOR", f"input {tensor.name}: send raw contents or typed ones, not both")
        read[tensor.name] = _read(tensor, raw[i] if raw else None)
    return read


def write_outputs(response: pb.ModelInferResponse, outputs: dict[str, Array], raw: bool) -> None:
    """Put arrays into a response, as raw bytes or as typed contents. Arrays of objects hold bytes: the type BYTES.

    A client finds raw contents by the output's place. So all are raw if one has a type without typed contents.
    """
    datatypes = {name: _datatype(values) for name, values in outputs.items()}
    raw = raw or any(datatype not in _CONTENTS for datatype in datatypes.values())
    for name, values in outputs.items():
        tensor = response.outputs.add(name=name, datatype=datatypes[name], shape=values.shape)
        if raw:
            response.raw_output_contents.append(_bytes(values))
        else:
            flat, numbers = values.reshape(-1), getattr(tensor.contents, _CONTENTS[datatypes[name]])
            for start in range(0, len(flat), _PIECE):
                numbers.extend(flat[start : start + _PIECE].tolist())


def _datatype(values: Array) -> str:
    return "BYTES" if values.dtype == np.object_ else NAMES[values.dtype.newbyteorder("<")]


def _bytes(values: Array) -> bytes:
    if values.dtype != np.object_:
        return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    texts: list[bytes] = values.reshape(-1).tolist()
    # Each element of the type BYTES has its length before it, as four bytes.
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _read(tensor: pb.ModelInferRequest.InferInputTensor, raw: memoryview | None) -> Array:
    dtype = DTYPES.get(tensor.datatype)
    if dtype is None:
        raise InvalidArgument("BAD_TENSOR", f"input {tensor.name}: the datatype '{tensor.datatype}' is not supported")
    if len(tensor.shape) > MOST_DIMENSIONS or any(not 0 <= length <= _LONGEST for length in tensor.shape):
        message = f"input {tensor.name}: the shape {list(tensor.shape)[:MOST_DIMENSIONS]} is none of a tensor"
        raise InvalidArgument("BAD_TENSOR", message)
    values = np.frombuffer(raw, np.uint8) if raw is not None else _typed(tensor, dtype)
    expected = math.prod(tensor.shape) * dtype.itemsize
    if values.nbytes != expected:
        message = (
            f"input {tensor.name}: {tensor.datatype} {list(tensor.shape)} takes {expected} bytes, not {values.nbytes}"
        )
        raise InvalidArgument("BAD_TENSOR", message)
    return values.view(dtype).reshape(tensor.shape)


def _typed(tensor: pb.ModelInferRequest.InferInputTensor, dtype: np.dtype[np.generic]) -> Array:
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise InvalidArgument("BAD_TENSOR", f"input {tensor.name}: send {tensor.datatype} as raw contents")
    values = getattr(tensor.contents, field)
    try:
        # A slice is a list: from a repeated field, NumPy silently wraps numbers that are too large.
        pieces = [np.array(values[start : start + _PIECE], dtype) for start in range(0, len(values), _PIECE)]
        return np.concatenate(pieces or [np.array([], dtype)])
    except OverflowError:
        raise InvalidArgument("BAD_TENSOR", f"input {tensor.name}: a value does not fit {tensor.datatype}") from None
