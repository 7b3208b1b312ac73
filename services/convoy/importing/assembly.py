"""Joins front, foreign graph and back into one graph that keeps the contract."""

from collections.abc import Callable, Mapping

from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto, helper

from convoy.core.manifest import INPUT_NAME
from convoy.importing.network import PREFIX, Network
from convoy.importing.preprocessing import Preprocessing, draw_front
from convoy.importing.sketch import Sketch

SHAPES: dict[str, tuple[int, tuple[str | int, ...]]] = {
    "probabilities": (TensorProto.FLOAT, ("N", "C")),
    "boxes": (TensorProto.FLOAT, ("N", "A", 4)),
    "scores": (TensorProto.FLOAT, ("N", "A", "C")),
    "landmarks": (TensorProto.FLOAT, ("N", "A", 5, 2)),
    "prototypes": (TensorProto.FLOAT, ("N", "M", "Y", "X")),
    "coefficients": (TensorProto.FLOAT, ("N", "A", "M")),
    "points": (TensorProto.FLOAT, ("N", "A", "K", "D")),
    "class_map": (TensorProto.UINT8, ("N", "H", "W")),
    "embeddings": (TensorProto.FLOAT, ("N", "D")),
    "pictures": (TensorProto.FLOAT, ("N", "Y", "X", "C")),
}

SEEN = "seen/"
"""Prefix for the names of foreign outputs, so that none equals a name in the contract."""

Back = Callable[[Sketch, Mapping[str, str]], dict[str, str]]
"""Draws the contract's outputs (names -> values) from the foreign ones (their own names -> values)."""


def join(
    network: Network, model: ModelProto, preprocessing: Preprocessing, size: tuple[int, int] | None, back: Back
) -> ModelProto:
    """Join the whole graph. model: the network's own, or the same with a dynamic batch; size: the input's, if fixed."""
    sketch = Sketch(INPUT_NAME, size)
    draw_front(sketch, INPUT_NAME, network, preprocessing)
    front = list(sketch.nodes)
    values = {tensor.name: _as_numbers(sketch, tensor.name, tensor.type) for tensor in network.outputs}
    outputs = [sketch.op("Identity", value, name=name) for name, value in back(sketch, values).items()]
    graph = GraphProto()
    graph.CopyFrom(model.graph)
    del graph.node[:], graph.input[:], graph.output[:]
    graph.name = "convoy"
    graph.node.extend([*front, *model.graph.node, *sketch.nodes[len(front) :]])
    graph.initializer.extend(sketch.constants)
    height, width = size or ("H", "W")
    graph.input.append(helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["N", height, width, 3]))
    graph.output.extend(
        declare(name, name, SHAPES[name][1]) if name in SHAPES else ValueInfoProto(name=name) for name in outputs
    )
    return with_graph(model, graph)


def keep_outputs(_: Sketch, values: Mapping[str, str]) -> dict[str, str]:
    """Make a back that changes nothing: it shows the network's outputs, with SEEN in front of their names."""
    return {SEEN + name: value for name, value in values.items()}


def declare(name: str, value: str, shape: tuple[str | int, ...]) -> ValueInfoProto:
    """Declare the contract's output `name`, under the name `value`."""
    return helper.make_tensor_value_info(value, SHAPES[name][0], shape)


def with_graph(model: ModelProto, graph: GraphProto) -> ModelProto:
    """Replace the model's graph; opsets and functions stay."""
    joined = ModelProto()
    joined.CopyFrom(model)
    joined.graph.CopyFrom(graph)
    joined.producer_name, joined.producer_version = "convoy model import", ""
    return joined


def _as_numbers(sketch: Sketch, name: str, kind: str) -> str:
    """Return an output of the network under its prefixed name; floats of other widths become float32."""
    value = PREFIX + name
    return sketch.cast(value, TensorProto.FLOAT) if kind in ("float16", "bfloat16", "double") else value
