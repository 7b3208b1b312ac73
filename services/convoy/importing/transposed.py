"""Draws MediaPipe's transposed convolution with ONNX's own operators.

tf2onnx knows the operator's inputs and not its meaning: TFL_Convolution2DTransposeBias(pixels [N,h,w,C], weights
[D,k,k,C], bias [D]) -> [N,H,W,D], with stride k and no overlap, as in MediaPipe's masks. Source: google-ai-edge/
mediapipe, mediapipe/util/tflite/operations/transpose_conv_bias.cc.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, helper, numpy_helper

OPERATOR = "TFL_Convolution2DTransposeBias"


def replace_transposed(file: Path) -> None:
    """Rewrite the file if it has the operator."""
    model = onnx.load(file)
    if not any(node.op_type == OPERATOR for node in model.graph.node):
        return
    nodes = [drawn for node in model.graph.node for drawn in _draw(model.graph, node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, file)


def _draw(graph: GraphProto, node: NodeProto) -> list[NodeProto]:
    if node.op_type != OPERATOR:
        return [node]
    pixels, weights, bias = node.input
    kernel = next(numpy_helper.to_array(one) for one in graph.initializer if one.name == weights)
    name, sides = f"{node.output[0]}/{{}}", list(kernel.shape[1:3])
    planar = np.ascontiguousarray(kernel.transpose(3, 0, 1, 2))
    graph.initializer.append(numpy_helper.from_array(planar, name.format("weights")))
    graph.initializer.remove(next(one for one in graph.initializer if one.name == weights))
    before, after = name.format("before"), name.format("after")
    return [
        helper.make_node("Transpose", [pixels], [before], perm=[0, 3, 1, 2]),
        helper.make_node(
            "ConvTranspose", [before, name.format("weights"), bias], [after], kernel_shape=sides, strides=sides
        ),
        helper.make_node("Transpose", [after], [node.output[0]], perm=[0, 2, 3, 1]),
    ]
