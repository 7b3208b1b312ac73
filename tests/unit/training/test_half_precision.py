"""A fresh network of the families with the oddest layers has an FP16 form. The others: tests/slow."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from convoy_training.publishing.export import export_onnx
from convoy_training.publishing.halving import halve_graph
from convoy_training.session import open_onnx
from convoy_training.task import Export

from tests.unit.training.fresh_networks import FRESH, make

QUICK = ("convnext", "vit", "yolo")
SHARE = 0.02
"""How far an answer may be off, as a share of the largest one; of class maps, how many pixels may differ."""

CHOOSING = ("faster-rcnn",)
"""Networks that answer for regions chosen by a score: fresh scores are so close that FP16 chooses others."""


def check(name: str, folder: Path) -> None:
    """Exports a fresh network, halves the graph, and holds its answers against PyTorch's."""
    fresh, graph = FRESH[name], make(name)
    shape = (2, fresh.side, fresh.side, fresh.channels)
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    export_onnx(graph, images, Export(fresh.outputs, {}, tolerance=5e-2), folder / "whole.onnx")
    halve_graph(folder / "whole.onnx", folder / "half.onnx")
    heavy = [t for t in onnx.load(str(folder / "half.onnx")).graph.initializer if np.prod(t.dims) > 64]
    assert any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in heavy)
    answers = open_onnx(folder / "half.onnx")(images)
    with torch.inference_mode():
        expected = graph(torch.from_numpy(images))
    for output, tensor in zip(fresh.outputs, expected if isinstance(expected, tuple) else (expected,), strict=True):
        exact, half = tensor.numpy(), answers[output]
        assert half.shape == exact.shape and half.dtype == exact.dtype
        if name in CHOOSING:
            assert np.isfinite(half).all()
        elif output == "class_map":
            assert np.mean(half != exact) < SHARE
        else:
            assert np.abs(half - exact).max() <= SHARE * np.abs(exact).max()


@pytest.mark.parametrize("name", QUICK)
def test_a_fresh_network_has_a_half_precision_form(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
