"""Makes smaller forms of a published model.

INT8 is static: weights are scaled per channel, activations by calibration on training images, in QDQ form (Jacob et al.
2018). FP16 is for GPUs: half the memory and several times the speed of arithmetic; inputs, outputs and the decoding of
answers stay in float32.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from convoy.core.manifest import GRAPH_FILE, INPUT_NAME, Export, digest
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from convoy_training.choices import Form
from convoy_training.errors import ExportError
from convoy_training.evaluation import Subject
from convoy_training.origin import NOTES
from convoy_training.publishing.completion import complete
from convoy_training.publishing.drops import check_drops
from convoy_training.publishing.folder import publish
from convoy_training.publishing.halving import halve_graph
from convoy_training.publishing.publication import record_metrics
from convoy_training.recipe import Config
from convoy_training.recipe_file import RECIPE_FILE, load_published
from convoy_training.runs.provenance import FILE as PROVENANCE
from convoy_training.runs.provenance import check_provenance
from convoy_training.session import open_onnx
from convoy_training.task import Images, Task

# Convolutions and matrices take most of the time; the decoding of boxes and the softmax need full precision.
QUANTIZED = ["Conv", "ConvTranspose", "Gemm", "MatMul", "MaxPool", "Add", "Concat", "Relu"]


SUFFIX: dict[Form, str] = {"int8": "int8", "float16": "fp16"}
INTEGER = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}
"""The operators of a graph that is quantised already."""
LARGEST_LOSS = 0.005
"""How much worse the first metric of an FP16 form may be than its source's: half a point."""


def quantize_model(
    task: Task, config: Config, folder: Path, precision: Form = "int8", *, max_drop: float | None = None,
    other_data: bool = False,
) -> Path:  # fmt: skip
    """Publishes a smaller form of the model in `folder` beside it, as <name>-int8 or -fp16, and measures it.

    The form of a face embedder is calibrated again, since its similarities have moved. max_drop: how far a metric may
    fall, those of single classes too. Raises ExportError if the model is already a smaller form, if a metric falls
    further, or if the first metric of an FP16 form falls by more than `LARGEST_LOSS`.
    """
    source = load_published(folder)
    if source.precision != "float32":
        raise ExportError(f"{folder} is already a smaller form ({source.precision}): quantize its float32 model")
    if {node.op_type for node in onnx.load(str(folder / GRAPH_FILE), load_external_data=False).graph.node} & INTEGER:
        raise ExportError(f"{folder} is already quantised: its graph computes in 8 bits; take its float32 model")
    check_provenance(folder, task, config, other_data=other_data)
    name = f"{source.name}-{SUFFIX[precision]}"
    target = folder.parent.parent / name / source.version

    def write(partial: Path) -> None:
        file = partial / GRAPH_FILE
        if precision == "int8":
            quantize_graph(folder / GRAPH_FILE, task.example_images(config, "train"), file)
        else:
            halve_graph(folder / GRAPH_FILE, file)
        published = Subject(target, task, config, open_onnx(file))
        metrics = published.measure("validation")
        check_drops(source.metrics, metrics, LARGEST_LOSS if precision == "float16" else None, max_drop, name)
        manifest = source.model_copy(
            update={
                "name": name,
                "precision": precision,
                "sha256": digest(file),
                "metrics": record_metrics(metrics, f"convoy-train evaluate {target}"),
                # Both are about similarities, which have moved.
                "calibration": None,
                "thresholds": source.thresholds.model_copy(update={"match": None}),
                "export": Export(opset=source.export.opset),
            }
        )
        for kept in (RECIPE_FILE, NOTES, PROVENANCE):
            if (folder / kept).exists():
                shutil.copy(folder / kept, partial / kept)
        complete(partial, manifest, published)

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
            nodes_to_exclude=[*find_stem(graph), *find_activations(graph), *find_decoder(graph)],
            calibrate_method=CalibrationMethod.MinMax,
            reduce_range=True,  # 7-bit weights: processors without VNNI saturate the sum of two 8-bit products
        )  # fmt: skip
    finally:
        prepared.unlink(missing_ok=True)


def find_stem(graph: Any) -> Iterator[str]:
    """The nodes up to the first convolution; with three channels eight bits save no time, but cost accuracy."""
    first = next(i for i, node in enumerate(graph.node) if node.op_type == "Conv")
    yield from (node.name for node in graph.node[: first + 1])


def find_decoder(graph: Any) -> Iterator[str]:
    """The nodes after the last convolution or matrix, which turn features into answers and stay in float32."""
    last = max(i for i, node in enumerate(graph.node) if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"))
    yield from (node.name for node in graph.node[last + 1 :])


def find_activations(graph: Any) -> Iterator[str]:
    """The parts of folded PReLUs (`models.folding`): scalings by channel, the ReLU before them and the sum after them.

    They stay in float32, since eight bits would round each part separately, with one range for all channels.
    """
    factors = {tensor.name for tensor in graph.initializer if list(tensor.dims[1:]) == [1, 1, 1]}
    scalings = [node for node in graph.node if node.op_type == "Conv" and node.input[1] in factors]
    inputs, outputs = {node.input[0] for node in scalings}, {node.output[0] for node in scalings}
    for node in graph.node:
        feeds = node.op_type == "Relu" and node.output[0] in inputs
        adds = node.op_type == "Add" and set(node.input) <= outputs
        if feeds or adds or node in scalings:
            yield node.name


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Gives the calibration images one by one."""

    def __init__(self, images: Images) -> None:
        self.rows = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next feed, or None at the end."""
        image = next(self.rows, None)
        return None if image is None else {INPUT_NAME: image[None]}
