"""Writes networks with random weights as model folders, since speed does not depend on the weights.

A name is an architecture of `convoy-train zoo`, a dot, and the type of its pixels: `mobilenet-v2.uint8` (150 KB for
each picture), `mobilenet-v2.float` (600 KB), or `mobilenet-v2.int8`, which is quantised and takes uint8 pixels.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from convoy.core.manifest import GRAPH_FILE, Export, InputSpec, Manifest, Task, Training, digest
from convoy_training.models.architecture import find_architecture
from convoy_training.publishing.export import export_onnx
from convoy_training.publishing.quantize import quantize_graph
from convoy_training.task import Export as Graph
from torch import nn

SIDE = 224
CLASSES = 1000
PIXELS = {"uint8": np.uint8, "float": np.float32, "int8": np.uint8}


class Classifier(nn.Module):
    """Puts the model contract around a network: takes pixels NHWC and returns probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        planes = images.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return torch.softmax(self.network(planes), dim=1)


def pictures(name: str, count: int) -> np.ndarray:
    """Make random pixels [N, 224, 224, 3] of the network's type."""
    values = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    return values.astype(PIXELS[name.rpartition(".")[2]])


def write_network(models: Path, name: str) -> Path:
    """Write `name` as models/<name>/1, and return the folder."""
    folder = models / name / "1"
    folder.mkdir(parents=True)
    architecture, _, kind = name.rpartition(".")
    graph = folder / GRAPH_FILE
    torch.manual_seed(0)
    network = Classifier(find_architecture(architecture).build()).eval()
    outputs = Graph(outputs=("probabilities",), manifest={}, tolerance=1e-3)
    difference = export_onnx(network, pictures(name, 2), outputs, graph)
    if kind == "int8":
        source = graph.rename(folder / "float32.onnx")
        quantize_graph(source, pictures(name, 8), graph)
        source.unlink()
    Manifest(
        name=name,
        version="1",
        task=Task.CLASSIFICATION,
        architecture=architecture,
        precision="int8" if kind == "int8" else "float32",
        sha256=digest(graph),
        input=InputSpec(height=SIDE, width=SIDE, resize="stretch"),
        labels=[f"class {index}" for index in range(CLASSES)],
        licence="random weights",
        training=Training(recipe="none", command="python -m benchmarks.networks", data=[], data_terms="none", seed=0),
        export=Export(opset=20, max_abs_difference=difference, tolerance=1e-3, images_compared=2),
    ).save(folder)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, help="folder to write the model folders into")
    parser.add_argument("names", nargs="+", help="for example mobilenet-v2.float")
    chosen = parser.parse_args()
    for chosen_name in chosen.names:
        print(write_network(chosen.models, chosen_name))
