"""Whether the names in a graph are text: protobuf takes a name that is not UTF-8 as well, and gives bytes for it."""

from collections.abc import Iterator

from onnx import AttributeProto, GraphProto


def check_texts(graph: GraphProto) -> None:
    """Raise ValueError if a name in the graph, or in a graph inside it, is not UTF-8."""
    if not all(isinstance(name, str) for name in _names(graph)):
        raise ValueError("a name in it is not UTF-8")


def _names(graph: GraphProto) -> Iterator[object]:
    yield graph.name
    for values in (graph.input, graph.output, graph.value_info, graph.initializer):
        yield from (value.name for value in values)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            if attribute.type == AttributeProto.GRAPH:
                yield from _names(attribute.g)
            for inner in attribute.graphs:
                yield from _names(inner)
