"""Exports a trained network as model.onnx, checks it, and compares it with PyTorch on real pictures."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from convoy_training.errors import ExportError
from convoy_training.session import open_onnx
from convoy_training.task import Export, Predict

OPSET = 20
# Otherwise every export warns about each torchvision operator that is not installed.
logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)


def export_onnx(graph: nn.Module, images: NDArray[Any], export: Export, file: Path) -> float:
    """Writes `graph` as ONNX, checks it, and returns its largest difference from PyTorch on `images` [N,H,W,3].

    The batch is dynamic, and with `export.stride` H and W are too. Raises ExportError above the tolerance.
    """
    graph = graph.eval()
    # Two images, since the exporter would fold a batch of one into the graph as a constant.
    example = torch.from_numpy(np.ascontiguousarray(images[:2]))
    with warnings.catch_warnings():
        # The exporter warns about its own future, which you cannot change.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph,
            (example,),
            input_names=["images"],
            output_names=list(export.outputs),
            dynamic_shapes=(_dynamic_shape(export.stride),),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    _strip(program.model_proto, file)
    onnx.checker.check_model(str(file), full_check=True)
    return _compare(graph, open_onnx(file), images, export)


def _dynamic_shape(stride: int | None) -> dict[int, Any]:
    batch = torch.export.Dim("batch", min=1)
    if stride is None:
        return {0: batch}
    rows, columns = torch.export.Dim("rows", min=1), torch.export.Dim("columns", min=1)
    return {0: batch, 1: stride * rows, 2: stride * columns}


def _strip(model: onnx.ModelProto, file: Path) -> None:
    """Drops traces of the exporting machine (source lines, versions), so that equal weights give equal digests."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    named: list[Any] = [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]
    for value in named:
        del value.metadata_props[:]
    del model.metadata_props[:], model.graph.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "convoy-training", "", ""
    file.write_bytes(model.SerializeToString(deterministic=True))


@torch.inference_mode()
def _compare(graph: nn.Module, predict: Predict, images: NDArray[Any], export: Export) -> float:
    worst = 0.0
    for batch in (images, images[:1]):
        result = graph(torch.from_numpy(np.ascontiguousarray(batch)))
        tensors = result if isinstance(result, tuple) else (result,)
        actual = predict(batch)
        for name, tensor in zip(export.outputs, tensors, strict=True):
            expected = tensor.numpy()
            if expected.shape != actual[name].shape or expected.dtype != actual[name].dtype:
                raise ExportError(f"{name}: ONNX Runtime gives {actual[name].shape}, PyTorch gives {expected.shape}")
            worst = max(worst, measure_difference(expected, actual[name]))
    if not worst <= export.tolerance:
        raise ExportError(f"ONNX Runtime differs from PyTorch by {worst:.2e}, more than {export.tolerance:.0e}")
    return worst


def measure_difference(expected: np.ndarray, actual: np.ndarray) -> float:
    """The largest absolute difference, or the share of differing pixels in class maps, whose numbers are only names."""
    if np.issubdtype(expected.dtype, np.integer):
        return float(np.mean(expected != actual))
    return float(np.abs(expected - actual).max(initial=0.0))
