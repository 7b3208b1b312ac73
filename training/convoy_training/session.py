"""An ONNX graph as a function of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from convoy_training.task import Predict


def open_onnx(file: Path, threads: int = 0) -> Predict:
    """An ONNX file as the same function that `build_predict` makes of a PyTorch graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    kind = np.float32 if session.get_inputs()[0].type == "tensor(float)" else np.uint8  # kernels take numbers

    def predict(images: np.ndarray) -> dict[str, Any]:
        return dict(zip(names, session.run(names, {"images": images.astype(kind, copy=False)}), strict=True))

    return predict
