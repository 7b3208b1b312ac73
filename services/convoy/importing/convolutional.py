"""Finds graphs that depend neither on batch nor on size: they only declare those of the picture at their export."""

from collections.abc import Set

from onnx import GraphProto, ModelProto

_NAMES = """
Abs Add AveragePool BatchNormalization Cast Clip Concat Constant Conv ConvTranspose Div Elu Exp
HardSigmoid HardSwish Identity LeakyRelu MaxPool Mish Mul Neg PRelu Pad Relu Sigmoid Softplus Sqrt
Sub Sum Tanh Transpose
"""
LOCAL = frozenset(_NAMES.split())
"""Operators that do the same at every place of a picture of any size."""
MAKING = LOCAL | {"DepthToSpace", "Gather", "InstanceNormalization", "Pow", "Resize", "SpaceToDepth", "Upsample"}
"""Those of networks that make pictures, too."""


def is_convolutional(graph: GraphProto, operators: Set[str] = LOCAL) -> bool:
    """Whether every operator is one of these, and none resizes to a size of the export."""
    return all(
        node.op_type in operators
        and node.domain in ("", "ai.onnx")
        and not (node.op_type == "Resize" and node.input[3:])
        for node in graph.node
    )


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
