"""Finds graphs that begin with their own normalisation, such as InsightFace's older exports and SFace."""

import numpy as np
from onnx import GraphProto, numpy_helper

LEAST_MEAN, LARGEST_FACTOR = 1.0, 0.1
"""Means and factors that a graph uses if its pixels are 0 to 255."""
LOOKED_AT = 4


def normalises_itself(graph: GraphProto) -> bool:
    """Whether the first operators (Sub, Mul, Add or Div) subtract a mean from pixels 0 to 255 or scale them down."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants |= {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t")
    }
    value = graph.input[0].name
    for _ in range(LOOKED_AT):
        users = [node for node in graph.node if value in node.input]
        if len(users) != 1:
            return False
        node = users[0]
        others = [np.abs(constants[name]) for name in node.input if name != value and name in constants]
        if node.op_type in ("Sub", "Add") and others and float(others[0].max()) > LEAST_MEAN:
            return True
        if node.op_type == "Mul" and others and float(others[0].max()) < LARGEST_FACTOR:
            return True
        if node.op_type == "Div" and others and float(others[0].min()) > 1 / LARGEST_FACTOR:
            return True
        if node.op_type not in ("Cast", "Transpose", "Identity", "Sub", "Mul", "Add", "Div"):
            return False
        value = node.output[0]
    return False
