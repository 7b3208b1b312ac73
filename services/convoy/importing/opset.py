"""Raises old opsets to the lowest in which Convoy draws, without changing what operators mean."""

from onnx import ModelProto, helper, version_converter

from convoy.importing.sketch import MIN_OPSET

OLD_RESIZE = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
"""Attributes that say what Upsample, and Resize before opset 11, mean. ONNX's converter omits both, and the later
defaults differ."""


def opset_of(model: ModelProto) -> int:
    """Return the opset of ONNX's own operators."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def raise_opset(model: ModelProto) -> ModelProto:
    """Raise a graph to opset 11, or leave it unchanged if it has that. Raises what ONNX's converter raises."""
    if opset_of(model) >= MIN_OPSET:
        return model
    raised = version_converter.convert_version(model, MIN_OPSET)
    for node in raised.graph.node:
        if node.op_type == "Resize":
            kept = [attribute for attribute in node.attribute if attribute.name not in OLD_RESIZE]
            del node.attribute[:]
            node.attribute.extend(kept + [helper.make_attribute(name, value) for name, value in OLD_RESIZE.items()])
    return raised
