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

CHOOSING = ("faster-rcnn", "mask-rcnn")
"""Networks that answer for regions chosen by a score: where two are as good, FP16 may choose the other."""
SAME_REGIONS = 0.9
"""The share of the regions that FP16 chooses too."""


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
    exact = dict(zip(fresh.outputs, expected if isinstance(expected, tuple) else (expected,), strict=True))
    whole = {output: tensor.numpy() for output, tensor in exact.items()}
    for output, values in whole.items():
        assert answers[output].shape == values.shape and answers[output].dtype == values.dtype
    if name in CHOOSING:
        compare_regions(answers, whole, fresh.side)
        return
    for output, values in whole.items():
        if output == "class_map":
            assert np.mean(answers[output] != values) < SHARE
        else:
            assert np.abs(answers[output] - values).max() <= SHARE * np.abs(values).max()


def compare_regions(half: dict[str, np.ndarray], whole: dict[str, np.ndarray], side: int) -> None:
    """Each region's box, scores and mask against those of the nearest region of its class."""
    same = []
    for picture in range(len(whole["boxes"])):
        for row, box in enumerate(whole["boxes"][picture]):
            label = whole["scores"][picture, row].argmax()
            apart = np.abs(half["boxes"][picture] - box).max(1)
            apart[half["scores"][picture].argmax(1) != label] = np.inf
            near = int(apart.argmin())
            same.append(apart[near] <= SHARE * side)
            if same[-1]:
                for output in whole.keys() - {"boxes"}:
                    values = whole[output][picture, row]
                    assert np.abs(half[output][picture, near] - values).max() <= SHARE * np.abs(whole[output]).max()
    assert np.mean(same) >= SAME_REGIONS


@pytest.mark.parametrize("name", QUICK)
def test_a_fresh_network_has_a_half_precision_form(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
