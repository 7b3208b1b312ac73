"""Sorts nodes as ONNX demands: each after those that compute its inputs."""

from onnx import GraphProto, NodeProto


def sort_nodes(graph: GraphProto) -> None:
    """Bring the nodes of a graph, and of the graphs inside it, into topological order; others keep their order.

    Common converters to float16 put casts last. ONNX Runtime sorts nodes itself, but the ONNX checker refuses them.
    """
    for node in graph.node:
        for inner in _inner_graphs(node):
            sort_nodes(inner)
    makers = {name: place for place, node in enumerate(graph.node) for name in node.output if name}
    nodes, done, order = list(graph.node), set[int](), []
    for first in range(len(nodes)):
        waiting = [first]
        on_the_way = set[int]()
        while waiting:
            place = waiting[-1]
            missing = [makers[name] for name in _taken(nodes[place]) if name in makers and makers[name] not in done]
            missing = [maker for maker in missing if maker != place and maker not in on_the_way]
            if place in done or not missing:
                waiting.pop()
                if place not in done:
                    done.add(place)
                    order.append(place)
            else:
                on_the_way.add(place)
                waiting.extend(missing)
    if order != sorted(order):
        del graph.node[:]
        graph.node.extend(nodes[place] for place in order)


def _taken(node: NodeProto) -> list[str]:
    """List what a node takes, including inputs of the graphs inside it."""
    names = list(node.input)
    for graph in _inner_graphs(node):
        made = {name for inner in graph.node for name in inner.output}
        names += [name for inner in graph.node for name in _taken(inner) if name not in made]
        names += [value.name for value in graph.output if value.name not in made]
    return names


def _inner_graphs(node: NodeProto) -> list[GraphProto]:
    return [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs) if graph.node]
