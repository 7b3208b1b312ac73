"""Replaces the pixel shuffle of old exports, whose constants hold the size of the export, by ONNX's own operator.

PyTorch's exporter wrote it as Reshape [N, C, r, r, H, W], Transpose (0, 1, 4, 2, 5, 3), Reshape [N, C, H r, W r] until
DepthToSpace could do the same.
"""

import numpy as np
from onnx import GraphProto, NodeProto, helper, numpy_helper

PERMUTATION = [0, 1, 4, 2, 5, 3]
NAME = "shuffle_order_of_"


def replace_shuffles(graph: GraphProto) -> GraphProto:
    """Replace every such group of three nodes; return the same graph."""
    makers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants |= {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].HasField("t")
    }
    for last in list(graph.node):
        turned = makers.get(last.input[0]) if last.op_type == "Reshape" else None
        first = makers.get(turned.input[0]) if turned is not None and turned.op_type == "Transpose" else None
        if turned is None or first is None or first.op_type != "Reshape":
            continue
        if list(turned.attribute[0].ints) == PERMUTATION and first.input[1] in constants:
            _replace(graph, first, turned, last, constants[first.input[1]])
    return graph


def _replace(graph: GraphProto, first: NodeProto, turned: NodeProto, last: NodeProto, shape: np.ndarray) -> None:
    if len(shape) != 6 or shape[2] != shape[3] or min(shape[1:4]) < 1:
        return
    channels, side = int(shape[1]), int(shape[2])
    # DepthToSpace of every opset has the channels last among its blocks; here they come first.
    order = np.arange(channels * side**2).reshape(channels, side**2).T.reshape(-1)
    name = NAME + last.output[0]
    graph.initializer.append(numpy_helper.from_array(order.astype(np.int64), name))
    nodes = [
        helper.make_node("Gather", [first.input[0], name], [f"{name}_channels"], axis=1),
        helper.make_node("DepthToSpace", [f"{name}_channels"], list(last.output), blocksize=side),
    ]
    place = list(graph.node).index(last)
    kept = list(graph.node)
    kept[place : place + 1] = nodes
    used_by_others = {value for node in kept for value in node.input if node not in (turned, first)}
    kept = [node for node in kept if not (node in (turned, first) and not set(node.output) & used_by_others)]
    del graph.node[:]
    graph.node.extend(kept)
