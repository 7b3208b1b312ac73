"""How large a network is: its parameters, and the multiply-adds of one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(file: Path) -> int:
    """Float32 numbers stored in the graph."""
    graph = onnx.load(str(file)).graph
    return sum(int(np.prod(tensor.dims)) for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT)


@torch.inference_mode()
def count_multiply_adds(graph: nn.Module, images: Any) -> int:
    """Multiply-adds of one image [1,H,W,3] through the graph."""
    with FlopCounterMode(display=False) as counter:
        graph(torch.from_numpy(np.ascontiguousarray(images)))
    return int(counter.get_total_flops()) // 2
