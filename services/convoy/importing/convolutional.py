"""Finds graphs that depend neither on batch nor on size: they only declare those of the picture at their export."""

from onnx import GraphProto, ModelProto

_NAMES = """
Abs Add AveragePool BatchNormalization Cast Clip Concat Constant Conv ConvTranspose Div Elu Exp
HardSigmoid HardSwish Identity LeakyRelu MaxPool Mish Mul Neg PRelu Pad Relu Sigmoid Softplus Sqrt
Sub Sum Tanh Transpose
"""
LOCAL = frozenset(_NAMES.split())
"""Operators that do the same at every place of a picture of any size."""


def is_convolutional(graph: GraphProto) -> bool:
    """Whether every operator does the same at every place."""
    return all(node.op_type in LOCAL and node.domain in ("", "ai.onnx") for node in graph.node)


def open_lengths(model: ModelProto, layout: str) -> None:
    """Make a graph's declared batch and size dynamic."""
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    picture = next(value for value in graph.input if value.name not in weights)
    names = ("N", "", "H", "W") if layout == "nchw" else ("N", "H", "W", "")
    for length, name in zip(picture.type.tensor_type.shape.dim, names, strict=True):
        if name:
            length.dim_param = name
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
