"""Reads a foreign ONNX graph: its inputs, its outputs, and what it is made of."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import (
    ModelProto,
    TensorProto,
    ValueInfoProto,
    compose,
)

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Precision
from convoy.importing.best_queries import count_classes
from convoy.importing.convolutional import is_convolutional, open_lengths
from convoy.importing.metadata import class_names, read_metadata
from convoy.importing.normalisation import normalises_itself
from convoy.importing.opset import opset_of, raise_opset
from convoy.importing.ordering import sort_nodes
from convoy.importing.second_input import Size, bind_size, is_size
from convoy.importing.shuffling import replace_shuffles
from convoy.importing.sketch import MIN_OPSET
from convoy.importing.texts import check_texts

PREFIX = "network/"
"""Prefix for every name in the foreign graph, so that none equals one of ours."""
INPUT_TYPES = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8}
MIN_IR_VERSION = 8
"""The lowest opset that every present ONNX Runtime reads."""
CARRYING = {"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat"}
"""Operators that move numbers without changing them."""
WEIGHT_TYPES = {
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.DOUBLE,
    TensorProto.INT8,
    TensorProto.UINT8,
    TensorProto.INT32,
}
CONVERTERS_FROM_TENSORFLOW = {"tf2onnx", "tflite2onnx", "keras2onnx"}
_EXPORT = "export it with torch.onnx.export where its code is"
CONVERTED_BY = {
    ".tflite": "convert it: python -m tf2onnx.convert --opset 17 --tflite FILE --output FILE.onnx",
    ".pb": "convert it: python -m tf2onnx.convert --opset 17 --graphdef FILE --output FILE.onnx",
    ".h5": "convert it with tf2onnx.convert.from_keras",
    ".keras": "convert it with tf2onnx.convert.from_keras",
    ".pt": _EXPORT,
    ".pth": f"{_EXPORT}; `convoy-train convert` does that for the classifiers that `convoy-train zoo` lists",
}
"""Files that people have instead, by their ending, and what makes ONNX of them."""
QUANTISED = {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"}

Layout = Literal["nchw", "nhwc"]
Length = int | str
PLACES: dict[Layout, int] = {"nchw": 1, "nhwc": 3}
"""The axis of the channels in each layout."""


@dataclass(frozen=True)
class Tensor:
    """An input or output as the graph declares it; a length that is not fixed has a name, or "?"."""

    name: str
    type: str
    shape: tuple[Length, ...]


@dataclass(frozen=True, eq=False)
class Network:
    """A graph with one picture input. size: (height, width), None where either is dynamic.

    model: with prefixed names and raised opset. plain: what ONNX Runtime runs as the original file: its path, or its
    bytes with a dynamic input if the graph depends neither on batch nor on size. bound: the original file's other
    inputs, with their row for each picture.
    """

    file: Path
    model: ModelProto
    plain: Path | bytes
    inputs: list[Tensor]
    outputs: list[Tensor]
    layout: Layout
    input_type: int
    producer: str = ""
    bound: Mapping[str, Size] = field(default_factory=dict)

    @property
    def input_name(self) -> str:
        """The picture input's name in `model`."""
        return str(self.model.graph.input[0].name)

    @property
    def batch(self) -> Length:
        """How many pictures it takes at once: a number if that is fixed."""
        return self.inputs[0].shape[0]

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) if both are fixed."""
        sides = self.inputs[0].shape[2:] if self.layout == "nchw" else self.inputs[0].shape[1:3]
        height, width = sides
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None

    @property
    def opset(self) -> int:
        """The opset of ONNX's own operators."""
        return opset_of(self.model)

    @property
    def channels(self) -> int:
        """The channels of a picture: 3, or 1 for grey."""
        length = self.inputs[0].shape[1 if self.layout == "nchw" else 3]
        return 1 if length == 1 else 3

    @property
    def normalises_itself(self) -> bool:
        """Whether it takes pixels 0 to 255 and begins with its own normalisation."""
        return normalises_itself(self.model.graph)

    @property
    def ends(self) -> dict[str, str]:
        """Each output's own name -> the operator that computes its numbers."""
        makers = {name: node for node in self.model.graph.node for name in node.output}

        def maker(name: str) -> str:
            node = makers.get(name)
            while node is not None and node.op_type in CARRYING:
                node = makers.get(node.input[0])
            return node.op_type if node is not None else ""

        return {tensor.name: maker(PREFIX + tensor.name) for tensor in self.outputs}

    @property
    def best_of(self) -> int | None:
        """How many classes it chooses its best queries from, if it shows."""
        return count_classes(self.model.graph)

    @property
    def parameters(self) -> int:
        """How many learned numbers it has: floats and quantised weights."""
        graph = self.model.graph
        constants = (node.attribute[0].t for node in graph.node if node.op_type == "Constant" and node.attribute)
        weights = (tensor for tensor in [*graph.initializer, *constants] if tensor.data_type in WEIGHT_TYPES)
        return sum(int(np.prod(tensor.dims)) for tensor in weights)

    @property
    def precision(self) -> Precision:
        """What the weights are."""
        if QUANTISED & {node.op_type for node in self.model.graph.node}:
            return "int8"
        half = any(tensor.data_type == TensorProto.FLOAT16 for tensor in self.model.graph.initializer)
        return "float16" if half else "float32"

    @property
    def is_tensorflow(self) -> bool:
        """Whether a converter from TensorFlow wrote it."""
        return self.producer in CONVERTERS_FROM_TENSORFLOW

    @property
    def metadata(self) -> dict[str, str]:
        """The exporter's metadata."""
        return read_metadata(self.model)

    @property
    def labels(self) -> list[str]:
        """The labels in the exporter's metadata; empty if there are none."""
        return class_names(self.metadata)


def read_network(file: Path, layout: Layout | None = None, opens: Set[str] = frozenset()) -> Network:
    """Read a foreign graph. opens: make batch and size dynamic if the graph has only these operators.

    Raises InvalidArgument(BAD_NETWORK), which says what is wrong and what to do.
    """
    model, plain = _read_model(file), file
    inputs = _inputs(model)
    sizes = [value for value in inputs if is_size(value)] if len(inputs) == 2 else []
    declared = _check_input(file, [value for value in inputs if value not in sizes])
    found = _layout(file, declared, layout)
    if opens and not sizes and is_convolutional(replace_shuffles(model.graph), opens):
        open_lengths(model, found)
        return _describe_network(file, model, model.SerializeToString(), found)
    sides = {value.name: _side(file, declared, found, value) for value in sizes}
    return _describe_network(file, model, plain, found, sides)


def _describe_network(
    file: Path, model: ModelProto, plain: Path | bytes, layout: Layout, sides: Mapping[str, int] | None = None
) -> Network:
    """sides: input that takes a size -> side of the square input, to which it is bound."""
    _drop_inputs_that_are_weights(model)
    picture = next(value.name for value in model.graph.input if value.name not in (sides or {}))
    bound = {name: bind_size(model, picture, name, side) for name, side in (sides or {}).items()}
    raised = _raise_opset(file, model)
    inputs = [_describe(value) for value in raised.graph.input]
    outputs = [_describe(value) for value in raised.graph.output]
    kind = raised.graph.input[0].type.tensor_type.elem_type
    prefixed = compose.add_prefix(raised, PREFIX)
    return Network(file, prefixed, plain, inputs, outputs, layout, kind, model.producer_name, bound)


def _side(file: Path, declared: Tensor, layout: Layout, size: ValueInfoProto) -> int:
    """The side of a square input. Raises InvalidArgument(BAD_NETWORK) for others."""
    height, width = declared.shape[2:] if layout == "nchw" else declared.shape[1:3]
    if not isinstance(height, int) or height != width:
        problem = (
            f"its second input {size.name} takes (width, height) or (height, width), which makes a difference here"
        )
        raise bad_network(file, f"{problem}: export it with a fixed square input, or without post-processing")
    return height


def _inputs(model: ModelProto) -> list[ValueInfoProto]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def _check_input(file: Path, inputs: list[ValueInfoProto]) -> Tensor:
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        problem = f"it must have one input, the picture, but has {len(inputs)}: {names}"
        raise bad_network(file, f"{problem}; export only the network, without pre- and post-processing")
    declared = _describe(inputs[0])
    if inputs[0].type.tensor_type.elem_type not in INPUT_TYPES:
        raise bad_network(file, f"its input is {declared.type}; export it with float32, float16 or uint8 pixels")
    return declared


def bad_network(file: Path, problem: str) -> InvalidArgument:
    """Make the error for a graph that cannot be wrapped."""
    return InvalidArgument("BAD_NETWORK", f"{file}: {problem}", {"file": file})


def _read_model(file: Path) -> ModelProto:
    if not file.is_file():
        raise bad_network(file, "there is no such file")
    try:
        model = onnx.load(file)
        check_texts(model.graph)
        sort_nodes(model.graph)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, the checker and missing weights each raise their own kind of error.
        if file.suffix in CONVERTED_BY:
            raise bad_network(file, f"it is not ONNX; {CONVERTED_BY[file.suffix]}") from None
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise bad_network(file, f"it is not a valid ONNX graph ({first}); export it again") from None
    return model


def _drop_inputs_that_are_weights(model: ModelProto) -> None:
    """Graphs of IR version 3 must list their weights as inputs too; later ones need not."""
    model.ir_version = max(model.ir_version, MIN_IR_VERSION)
    inputs = _inputs(model)
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def _raise_opset(file: Path, model: ModelProto) -> ModelProto:
    try:
        return raise_opset(model)
    except Exception:  # the converter raises RuntimeError and others, with long messages.
        problem = f"opset {opset_of(model)} cannot be raised; export it again with opset {MIN_OPSET} or above"
        raise bad_network(file, problem) from None


def _layout(file: Path, tensor: Tensor, wanted: Layout | None) -> Layout:
    shape = tensor.shape
    if len(shape) != 4:
        raise bad_network(file, f"its input '{tensor.name}' has shape {list(shape)}, but pictures need four axes")
    channels = (1, 3)
    open_ended: list[Layout] = [name for name, place in PLACES.items() if isinstance(shape[place], str)]
    certain: list[Layout] = [name for name, place in PLACES.items() if shape[place] in channels]
    if wanted in (*open_ended, *certain):
        return wanted
    if wanted or not (open_ended or certain):
        told = f"its input has shape {list(shape)}, which is not one or three channels {wanted or ''}"
        raise bad_network(file, told.rstrip())
    if len(certain) == 2 and 3 in (shape[1], shape[3]):
        certain = [name for name in certain if shape[PLACES[name]] == 3]
    if len(certain) == 1:
        return certain[0]
    raise bad_network(
        file, f"its input has shape {list(shape)}; choose the axis of the channels with --layout nchw or nhwc"
    )


def _describe(value: ValueInfoProto) -> Tensor:
    tensor = value.type.tensor_type
    shape = tuple(
        int(length.dim_value) if length.HasField("dim_value") and length.dim_value > 0 else length.dim_param or "?"
        for length in tensor.shape.dim
    )
    return Tensor(value.name, TensorProto.DataType.Name(tensor.elem_type).lower(), shape)
