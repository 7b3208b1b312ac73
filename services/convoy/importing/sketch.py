"""Draws pieces of an ONNX graph, node by node.

It uses only operators that mean the same in every opset from 11 on, so a foreign graph keeps its own opset: Reshape and
Gather instead of Squeeze and Unsqueeze, products and LpNormalization instead of reductions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

MIN_OPSET = 11
PREFIX = "convoy/"

Array = npt.NDArray[np.generic]
Operand = str | float | Array
"""The name of a value, or a constant: a float is float32."""


class Sketch:
    """Nodes and constants, each under its own name.

    size: (height, width) of the input in pixels, None if it is dynamic; height, width: names of int64 [1] tensors with
    the same numbers; batch: such a tensor with the number of pictures.
    """

    def __init__(self, images: str, size: tuple[int, int] | None) -> None:
        """images: the graph's input [N, H, W, 3]; size: (height, width) if it is fixed."""
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.size = size
        shape = self.op("Shape", images)
        self.batch = self.take(shape, 0)
        self.height = self.constant(np.array([size[0]], np.int64)) if size else self.take(shape, 1)
        self.width = self.constant(np.array([size[1]], np.int64)) if size else self.take(shape, 2)

    def op(self, kind: str, *operands: Operand, name: str = "", **attributes: Any) -> str:
        """Add a node, and return its one output, which is called `name` if you give one."""
        inputs = [operand if isinstance(operand, str) else self.constant(operand) for operand in operands]
        output = name or f"{PREFIX}{kind}_{len(self.nodes)}"
        node = helper.make_node(kind, inputs, [output], name=f"{PREFIX}node_{len(self.nodes)}_{kind}", **attributes)
        self.nodes.append(node)
        return output

    def constant(self, value: float | Array) -> str:
        """Add a constant."""
        array = np.asarray(value, np.float32) if isinstance(value, float | int) else np.asarray(value)
        name = f"{PREFIX}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def take(self, value: str, *indices: int, axis: int = 0) -> str:
        """Take the entries at some places of an axis; the axis stays."""
        return self.op("Gather", value, np.array(indices, np.int64), axis=axis)

    def part(self, value: str, start: int, end: int, axis: int) -> str:
        """Take the entries from `start` up to `end` of an axis; an `end` of -1 omits the last one, 0 takes all."""
        last = end if end else np.iinfo(np.int64).max
        bounds = (np.array([number], np.int64) for number in (start, last, axis))
        return self.op("Slice", value, *bounds)

    def reshape(self, value: str, *shape: int) -> str:
        """Change the shape; 0 keeps a length, -1 takes what is left."""
        return self.op("Reshape", value, np.array(shape, np.int64))

    def reshape_to(self, value: str, *lengths: str | int) -> str:
        """Change the shape, with some lengths from values [1] of the graph."""
        return self.op("Reshape", value, self.lengths(*lengths))

    def lengths(self, *lengths: str | int) -> str:
        """Make a shape out of numbers and values [1] of the graph."""
        parts = [part if isinstance(part, str) else self.constant(np.array([part], np.int64)) for part in lengths]
        return self.concat(parts, axis=0)

    def concat(self, values: Sequence[str], axis: int) -> str:
        """Join values along an axis."""
        return self.op("Concat", *values, axis=axis) if len(values) > 1 else values[0]

    def cast(self, value: str, kind: int) -> str:
        """Convert to another TensorProto type."""
        return self.op("Cast", value, to=kind)
