"""Counts the parameters of a graph, and its multiply-adds for one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(file: Path) -> int:
    """The number of float32 values that the graph stores."""
    graph = onnx.load(str(file)).graph
    return sum(int(np.prod(tensor.dims)) for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT)


@torch.inference_mode()
def count_multiply_adds(graph: nn.Module, images: Any) -> int:
    """The multiply-adds that the graph needs for one image [1,H,W,3]."""
    with FlopCounterMode(display=False) as counter:
        graph(torch.from_numpy(np.ascontiguousarray(images)))
    return int(counter.get_total_flops()) // 2
