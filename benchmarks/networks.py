"""Networks with random weights, as model folders: speed does not depend on what the weights say."""

import argparse
from pathlib import Path

import numpy as np
import torch
from convoy.core.manifest import GRAPH_FILE, Export, InputSpec, Manifest, Task, Training, digest
from convoy_training.export import export_onnx
from convoy_training.models.zoo import find_architecture
from convoy_training.recipe import Export as Graph
from torch import nn

SIDE = 224
CLASSES = 1000


class Classifier(nn.Module):
    """uint8 NHWC in, probabilities out: the model contract around a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        planes = images.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return self.network(planes).softmax(dim=1)


def write_network(models: Path, name: str) -> Path:
    """Write `name` (of the zoo) as models/<name>/1 and give the folder."""
    folder = models / name / "1"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    network = Classifier(find_architecture(name).build()).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    outputs = Graph(outputs=("probabilities",), manifest={}, tolerance=1e-3)
    difference = export_onnx(network, images, outputs, folder / GRAPH_FILE)
    Manifest(
        name=name,
        version="1",
        task=Task.CLASSIFICATION,
        architecture=name,
        sha256=digest(folder / GRAPH_FILE),
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
    parser.add_argument("names", nargs="+", help="architectures of `convoy-train zoo`")
    chosen = parser.parse_args()
    for architecture in chosen.names:
        print(write_network(chosen.models, architecture))
