"""Binds the second input of DETR's family: the size in pixels to which the graph scales its boxes.

D-FINE's and RT-DETR's exports call it orig_target_sizes, [N, 2]. Bound to the size of the graph's own input, boxes come
out in the input's pixels. Some exports take (width, height), others (height, width), so the input must be square.
"""

import re

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

Size = npt.NDArray[np.generic]
NAME = re.compile(r"(orig|target).*(size|shape)", re.IGNORECASE)
TYPES = (TensorProto.INT64, TensorProto.INT32, TensorProto.FLOAT)
PREFIX = "size_of_input/"


def is_size(value: ValueInfoProto) -> bool:
    """Whether an input takes a size: two numbers for each picture, under a name that says so."""
    tensor = value.type.tensor_type
    lengths = [length.dim_value for length in tensor.shape.dim]
    return bool(NAME.search(value.name)) and tensor.elem_type in TYPES and len(lengths) == 2 and lengths[1] == 2


def bind_size(model: ModelProto, picture: str, name: str, side: int) -> Size:
    """Replace the input `name` by (side, side) for each picture; return that row, [2]."""
    graph = model.graph
    value = next(one for one in graph.input if one.name == name)
    row = np.full(2, side, helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    graph.input.remove(value)
    constants = {"row": row[None], "first": np.zeros(1, np.int64), "two": np.array([2], np.int64)}
    graph.initializer.extend(numpy_helper.from_array(array, PREFIX + key) for key, array in constants.items())
    nodes = [
        helper.make_node("Shape", [picture], [PREFIX + "shape"]),
        helper.make_node("Gather", [PREFIX + "shape", PREFIX + "first"], [PREFIX + "batch"], axis=0),
        helper.make_node("Concat", [PREFIX + "batch", PREFIX + "two"], [PREFIX + "lengths"], axis=0),
        helper.make_node("Expand", [PREFIX + "row", PREFIX + "lengths"], [name]),
    ]
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *kept])
    return row
