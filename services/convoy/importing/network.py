"""A foreign ONNX graph as it was found: what goes in and what comes out."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import (
    ModelProto,
    TensorProto,
    ValueInfoProto,
    compose,
    version_converter,
)

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Precision
from convoy.importing.sketch import MIN_OPSET

PREFIX = "network/"
"""In front of every name of the foreign graph, so that none meets one of ours."""
INPUT_TYPES = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8}
MIN_IR_VERSION = 8
"""The least that any ONNX Runtime of today reads."""
QUANTISED = {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"}

Layout = Literal["nchw", "nhwc"]
Length = int | str


@dataclass(frozen=True)
class Tensor:
    """An input or output as the graph declares it; a length that is not fixed has a name, or "?"."""

    name: str
    type: str
    shape: tuple[Length, ...]


@dataclass(frozen=True, eq=False)
class Network:
    """A graph with one picture input. model: names prefixed. size: (height, width), None where either is dynamic."""

    file: Path
    model: ModelProto
    inputs: list[Tensor]
    outputs: list[Tensor]
    layout: Layout
    input_type: int

    @property
    def input_name(self) -> str:
        """The picture input's name in `model`."""
        return str(self.model.graph.input[0].name)

    @property
    def batch(self) -> Length:
        """Pictures at once: a number where it is fixed."""
        return self.inputs[0].shape[0]

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) where both are fixed."""
        sides = self.inputs[0].shape[2:] if self.layout == "nchw" else self.inputs[0].shape[1:3]
        height, width = sides
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None

    @property
    def opset(self) -> int:
        """Of ONNX's own operators."""
        return _opset(self.model)

    @property
    def parameters(self) -> int:
        """Numbers that were learned, as far as they are floats or quantised weights."""
        weights = (tensor for tensor in self.model.graph.initializer if tensor.data_type != TensorProto.INT64)
        return sum(int(np.prod(tensor.dims)) for tensor in weights)

    @property
    def precision(self) -> Precision:
        """What the weights are."""
        if QUANTISED & {node.op_type for node in self.model.graph.node}:
            return "int8"
        half = any(tensor.data_type == TensorProto.FLOAT16 for tensor in self.model.graph.initializer)
        return "float16" if half else "float32"

    @property
    def labels(self) -> list[str]:
        """The class names that the exporter left in the metadata (Ultralytics does: `names`), or none."""
        facts = {entry.key: entry.value for entry in self.model.metadata_props}
        try:
            names = ast.literal_eval(facts.get("names", ""))
            return [str(names[index]) for index in range(len(names))]
        except (SyntaxError, ValueError, KeyError, TypeError):
            return []


def read_network(file: Path, layout: Layout | None = None) -> Network:
    """Read a foreign graph. Raises InvalidArgument(BAD_NETWORK) that says what is wrong and what helps."""
    model = _read_model(file)
    _drop_inputs_that_are_weights(model)
    if _opset(model) < MIN_OPSET:
        model = _raise_opset(file, model)
    inputs = [_describe(value) for value in model.graph.input]
    if len(inputs) != 1:
        names = ", ".join(tensor.name for tensor in inputs) or "none"
        raise bad_network(file, f"a graph with one input, the picture, is needed; it has {len(inputs)}: {names}")
    outputs = [_describe(value) for value in model.graph.output]
    input_type = model.graph.input[0].type.tensor_type.elem_type
    if input_type not in INPUT_TYPES:
        raise bad_network(file, f"its input is {inputs[0].type}; export it with float32, float16 or uint8 pixels")
    found = _layout(file, inputs[0], layout)
    return Network(file, compose.add_prefix(model, PREFIX), inputs, outputs, found, input_type)


def bad_network(file: Path, problem: str) -> InvalidArgument:
    """The error for a graph that cannot be wrapped."""
    return InvalidArgument("BAD_NETWORK", f"{file}: {problem}", {"file": file})


def _read_model(file: Path) -> ModelProto:
    if not file.is_file():
        raise bad_network(file, "there is no such file")
    try:
        model = onnx.load(file)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, the checker and missing weights each raise their own kinds.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise bad_network(file, f"it is not a valid ONNX graph ({first}); export it again") from None
    return model


def _drop_inputs_that_are_weights(model: ModelProto) -> None:
    """Graphs of IR version 3 must list their weights as inputs too; later ones need not."""
    graph = model.graph
    model.ir_version = max(model.ir_version, MIN_IR_VERSION)
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)


def _raise_opset(file: Path, model: ModelProto) -> ModelProto:
    try:
        return version_converter.convert_version(model, MIN_OPSET)
    except Exception:  # the converter raises RuntimeError and others, with long texts of its own.
        problem = f"opset {_opset(model)} cannot be raised; export it again with opset {MIN_OPSET} or above"
        raise bad_network(file, problem) from None


def _opset(model: ModelProto) -> int:
    return next((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def _layout(file: Path, tensor: Tensor, wanted: Layout | None) -> Layout:
    shape = tensor.shape
    if len(shape) != 4:
        raise bad_network(file, f"its input '{tensor.name}' has shape {list(shape)}; pictures have four lengths")
    fits: list[Layout] = []
    if shape[1] == 3 or isinstance(shape[1], str):
        fits.append("nchw")
    if shape[3] == 3 or isinstance(shape[3], str):
        fits.append("nhwc")
    certain = [layout for layout, place in (("nchw", 1), ("nhwc", 3)) if shape[place] == 3]
    if wanted in fits:
        return wanted
    if wanted or not fits:
        raise bad_network(
            file, f"its input has shape {list(shape)}, which is not three channels {wanted or ''}".rstrip()
        )
    if len(certain) == 1:
        return "nchw" if certain == ["nchw"] else "nhwc"
    raise bad_network(
        file, f"its input has shape {list(shape)}; say which length is the channels: --layout nchw or nhwc"
    )


def _describe(value: ValueInfoProto) -> Tensor:
    tensor = value.type.tensor_type
    shape = tuple(
        int(length.dim_value) if length.HasField("dim_value") and length.dim_value > 0 else length.dim_param or "?"
        for length in tensor.shape.dim
    )
    return Tensor(value.name, TensorProto.DataType.Name(tensor.elem_type).lower(), shape)
