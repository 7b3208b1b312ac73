"""The check for a machine with a GPU notices what it is there to notice."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu_check

MODEL = Path("exported_models/cifar10-resnet/1")


class Wrong(gpu_check.Engine):
    """A device that is off by a little."""

    def __init__(self, graph: Path, device: str = "auto", quiet: bool = False) -> None:
        super().__init__(graph, "cpu")
        self.is_off = device != "cpu"

    def run(self, images: np.ndarray, alone: bool = False) -> gpu_check.Outputs:
        return {name: values + 0.01 * self.is_off for name, values in super().run(images).items()}


def test_a_device_that_answers_otherwise_is_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu_check.compare(root / MODEL, "cpu")["is_equal"]
    monkeypatch.setattr(gpu_check, "Engine", Wrong)
    assert not gpu_check.compare(root / MODEL, "cuda")["is_equal"]


def test_a_device_that_is_replaced_in_silence_is_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = root / MODEL / "model.onnx"
    assert gpu_check.refuses("tensorrt", graph)
    monkeypatch.setattr(gpu_check, "Engine", Wrong)
    assert not gpu_check.refuses("tensorrt", graph)
