"""Counts the classes of a graph that gives only its best queries.

Such a graph takes the best of all queries' classes, counted through, and divides their places by the number of classes.
The labels that occur on a few pictures need not show that number.
"""

import numpy as np
from onnx import GraphProto, numpy_helper

CARRYING = {"Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten"}
DIVIDING = {"Div", "Mod"}


def count_classes(graph: GraphProto) -> int | None:
    """Find the number by which the places of the graph's TopK are divided; None if there is no such one."""
    constants = {one.name: one for one in graph.initializer}
    constants |= {
        node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant" and node.attribute
    }
    places = {node.output[1] for node in graph.node if node.op_type == "TopK" and len(node.output) > 1}
    numbers = set()
    for node in graph.node:  # they are in topological order
        if node.op_type in CARRYING and node.input[0] in places:
            places.add(node.output[0])
        elif node.op_type in DIVIDING and node.input[0] in places and node.input[1] in constants:
            value = numpy_helper.to_array(constants[node.input[1]])
            if value.size == 1 and np.issubdtype(value.dtype, np.integer):
                numbers.add(int(value.reshape(-1)[0]))
    return numbers.pop() if len(numbers) == 1 else None
