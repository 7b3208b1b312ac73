"""Writes the FP16 form of a graph: arithmetic from the first convolution to the last one (or matrix) in half precision.

What comes before and after stays in float32: normalising bytes, and decoding answers. Two nodes of the graph are joined
by one cast where the precision changes, however many nodes read the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from convoy_training.errors import ExportError

HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul")
FLOAT_ONLY = {"Resize": (1, 2)}
"""Inputs that an operator takes in float32 alone, by their places."""
LARGEST = float(np.finfo(np.float16).max)


def halve_graph(source: Path, target: Path) -> None:
    """Writes the FP16 form of the graph `source`; inputs and outputs keep their types.

    Raises ExportError if a weight is too large for half precision, or if the result is not a valid graph.
    """
    model = onnx.load(str(source))
    try:
        Halving(model).write()
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ExportError(f"{source} has no FP16 form: its graph does not convert ({reason})") from error
    target.write_bytes(model.SerializeToString(deterministic=True))


class Halving:
    """Changes one model in place. `half`: names of tensors that are float16 now; `made`: casts by name and type."""

    def __init__(self, model: onnx.ModelProto) -> None:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
        values: list[Any] = [*inferred.input, *inferred.output, *inferred.value_info]
        self.floats = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
        self.graph = model.graph
        self.weights = {tensor.name: tensor for tensor in self.graph.initializer}
        self.floats |= {name for name, tensor in self.weights.items() if tensor.data_type == TensorProto.FLOAT}
        self.outputs = {value.name for value in self.graph.output}
        self.half: set[str] = set()
        self.made: dict[tuple[str, int], str] = {}

    def write(self) -> None:
        """Halves the nodes between the first and the last heavy one, and joins them with the others by casts."""
        heavy = [place for place, node in enumerate(self.graph.node) if node.op_type in HEAVY]
        first, last = (heavy[0], heavy[-1]) if heavy else (0, -1)
        nodes: list[Any] = []
        for place, node in enumerate(self.graph.node):
            if first <= place <= last:
                nodes += [*self._halve(node), *self._keep_outputs(node)]
            else:
                nodes += [*self._cast_inputs(node, TensorProto.FLOAT, range(len(node.input))), node]
        del self.graph.node[:], self.graph.value_info[:]
        self.graph.node.extend(nodes)
        used = {name for node in nodes for name in node.input}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)

    def _halve(self, node: Any) -> Iterator[Any]:
        single = FLOAT_ONLY.get(node.op_type, ())
        yield from self._cast_inputs(node, TensorProto.FLOAT, single)
        others = [place for place in range(len(node.input)) if place not in single]
        yield from self._cast_inputs(node, TensorProto.FLOAT16, others)
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(self._halve_tensor(attribute.t, attribute.t.name))
        self.half |= {name for name in node.output if name in self.floats}
        yield node

    def _keep_outputs(self, node: Any) -> Iterator[Any]:
        """Casts an output of the whole graph back: callers expect float32."""
        for place, name in enumerate(node.output):
            if name in self.outputs and name in self.half:
                node.output[place] = f"{name}_half"
                self.made[name, TensorProto.FLOAT16] = node.output[place]
                self.half.discard(name)
                yield helper.make_node("Cast", [node.output[place]], [name], to=TensorProto.FLOAT)

    def _cast_inputs(self, node: Any, wanted: int, places: Any) -> Iterator[Any]:
        for place in places:
            name = node.input[place] if place < len(node.input) else ""
            if name not in self.floats or (name in self.half) == (wanted == TensorProto.FLOAT16):
                continue
            if (key := (name, wanted)) not in self.made:
                self.made[key] = f"{name}_{'half' if wanted == TensorProto.FLOAT16 else 'float'}"
                if name in self.weights:
                    self.graph.initializer.append(self._halve_tensor(self.weights[name], self.made[key]))
                else:
                    yield helper.make_node("Cast", [name], [self.made[key]], to=wanted)
            node.input[place] = self.made[key]

    def _halve_tensor(self, tensor: Any, name: str) -> Any:
        values = numpy_helper.to_array(tensor)
        if not np.abs(values[np.isfinite(values)]).max(initial=0.0) <= LARGEST:
            raise ExportError(f"no FP16 form: {tensor.name or name} holds numbers above {LARGEST:g}; use int8 instead")
        return numpy_helper.from_array(values.astype(np.float16), name)
