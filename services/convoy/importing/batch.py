"""Two ways to make a graph for one picture take any number of them."""

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, compose, helper, numpy_helper

from convoy.core.manifest import INPUT_NAME, Task
from convoy.importing.adapters.adapter import answered
from convoy.importing.assembly import SHAPES, declare, with_graph
from convoy.importing.network import PREFIX, Network

PICTURE = "picture/"
"""Prefix for every name inside a Scan, so that none hides a name outside."""


def open_batch(network: Network) -> ModelProto:
    """Make the graph take any number of pictures.

    A fixed batch becomes symbolic, and so does every Reshape and Resize of a computed value whose constant shape or
    sizes begin with that number. The caller must prove by a run that the graph still means the same.
    """
    opened = ModelProto()
    opened.CopyFrom(network.model)
    if not isinstance(network.batch, int):
        return opened
    graph = opened.graph
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    del graph.value_info[:]
    constants = _constants(graph)
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if node.op_type == "Reshape" and node.input[0] not in constants and node.input[1] in constants:
            _free_reshape(graph, node, constants[node.input[1]], network.batch)
        if node.op_type == "Resize" and len(node.input) == 4 and node.input[3] in constants:
            graph.node.extend(_free_resize(graph, node, constants[node.input[3]], network.batch))
        graph.node.append(node)
    return opened


def run_one_by_one(model: ModelProto, task: Task) -> ModelProto:
    """Make a graph for one picture take any batch, by running the pictures one after another.

    This is an ONNX Scan over the batch. Its body adds a first axis of length 1, runs the whole graph, and removes the
    axis.
    """
    inner = compose.add_prefix(model, PICTURE).graph
    whole, one, shape, first = (PICTURE + name for name in (INPUT_NAME, "one", "shape", "first"))
    put_on = [
        helper.make_node("Shape", [one], [shape]),
        helper.make_node("Concat", [f"{PICTURE}length_1", shape], [f"{shape}_1"], axis=0),
        helper.make_node("Reshape", [one, f"{shape}_1"], [whole]),
    ]
    outputs = answered(task, [output.name for output in model.graph.output])
    names = [PICTURE + name for name in outputs]
    take_off = [helper.make_node("Gather", [name, first], [f"{name}_one"], axis=0) for name in names]
    constants = [
        helper.make_tensor(f"{PICTURE}length_1", TensorProto.INT64, [1], [1]),
        helper.make_tensor(first, TensorProto.INT64, [], [0]),
    ]
    height, width = model.graph.input[0].type.tensor_type.shape.dim[1:3]
    sides = [side.dim_value or side.dim_param for side in (height, width)]
    body = helper.make_graph(
        [*put_on, *inner.node, *take_off],
        "one_picture",
        [helper.make_tensor_value_info(one, TensorProto.UINT8, [*sides, 3])],
        [declare(name, f"{PICTURE}{name}_one", SHAPES[name][1][1:]) for name in outputs],
        [*inner.initializer, *constants],
    )
    scan = helper.make_node("Scan", [INPUT_NAME], outputs, body=body, num_scan_inputs=1)
    return with_graph(model, helper.make_graph([scan], "convoy", model.graph.input, model.graph.output))


def _free_reshape(graph: GraphProto, node: NodeProto, shape: TensorProto, batch: int) -> None:
    lengths = numpy_helper.to_array(shape).copy()
    if lengths.size < 2 or lengths[0] != batch or 0 in lengths:
        return
    # With allowzero, 0 would mean no rows at all; without other zeros, the attribute has no effect.
    kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
    del node.attribute[:]
    node.attribute.extend(kept)
    lengths[0] = 0
    name = f"{PREFIX}shape_of_{node.output[0]}"
    graph.initializer.append(numpy_helper.from_array(lengths, name))
    node.input[1] = name


def _free_resize(graph: GraphProto, node: NodeProto, sizes: TensorProto, batch: int) -> list[NodeProto]:
    """Make the nodes that take the batch from the value itself; the other sizes stay."""
    lengths = numpy_helper.to_array(sizes)
    if lengths.size < 2 or lengths[0] != batch:
        return []
    shape, first, rest, whole = (f"{PREFIX}{what}_of_{node.output[0]}" for what in ("shape", "batch", "rest", "sizes"))
    place = f"{PREFIX}first_of_{node.output[0]}"
    graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.int64), place))
    graph.initializer.append(numpy_helper.from_array(lengths[1:], rest))
    taken = node.input[0]
    node.input[3] = whole
    return [
        helper.make_node("Shape", [taken], [shape]),
        helper.make_node("Gather", [shape, place], [first], axis=0),
        helper.make_node("Concat", [first, rest], [whole], axis=0),
    ]


def _constants(graph: GraphProto) -> dict[str, TensorProto]:
    nodes = {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    return nodes | {tensor.name: tensor for tensor in graph.initializer}
