"""Static INT8: weights per channel, activations by calibration on training images; QDQ form (Jacob et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from convoy.core.manifest import GRAPH_FILE, INPUT_NAME, Export, digest, load_manifest
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from convoy_training.card import write_card
from convoy_training.export import open_onnx, publish
from convoy_training.publishing import RECIPES, record_metrics
from convoy_training.recipe import Config, Images, Recipe

# Convolutions and matrices are where the time goes; the decoding of boxes and the softmax need their precision.
QUANTIZED = ["Conv", "ConvTranspose", "Gemm", "MatMul", "MaxPool", "Add", "Concat", "Relu"]


def quantize_model(recipe: Recipe, config: Config, folder: Path) -> Path:
    """Publishes the INT8 form of the model in `folder` beside it as <name>-int8/<version>, measured alike."""
    source = load_manifest(folder)
    name = f"{source.name}-int8"
    target = folder.parent.parent / name / source.version

    def write(partial: Path) -> None:
        file = partial / GRAPH_FILE
        quantize_graph(folder / GRAPH_FILE, recipe.example_images(config, "train"), file)
        metrics = recipe.evaluate(open_onnx(file), config, "validation")
        manifest = source.model_copy(
            update={
                "name": name,
                "precision": "int8",
                "sha256": digest(file),
                "metrics": record_metrics(metrics, f"convoy-train evaluate {target}"),
                "export": Export(opset=source.export.opset),
            }
        )
        manifest.save(partial)
        write_card(manifest, RECIPES / f"{source.name}.md", partial)

    publish(target, write)
    return target


def quantize_graph(source: Path, images: Images, target: Path) -> None:
    """Calibrates `source` on uint8 images [N,H,W,3] and writes its INT8 form."""
    prepared = target.with_suffix(".prepared.onnx")
    try:
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(str(prepared)).graph
        quantize_static(
            str(prepared), str(target), _Reader(images), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=QUANTIZED,
            nodes_to_exclude=list(find_decoder(graph)), calibrate_method=CalibrationMethod.MinMax,
            reduce_range=True,  # 7-bit weights: processors without VNNI saturate the sum of two 8-bit products
        )  # fmt: skip
    finally:
        prepared.unlink(missing_ok=True)


def find_decoder(graph: Any) -> Iterator[str]:
    """The nodes behind the last convolution or matrix: they turn features into answers and stay in float32."""
    last = max(i for i, node in enumerate(graph.node) if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"))
    yield from (node.name for node in graph.node[last + 1 :])


class _Reader(CalibrationDataReader):
    """Hands the calibration images over one by one."""

    def __init__(self, images: Images) -> None:
        self.rows = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next feed, or None at the end."""
        image = next(self.rows, None)
        return None if image is None else {INPUT_NAME: image[None]}
