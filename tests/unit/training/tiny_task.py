"""A task small enough for tests: does a 16x16 picture show its bright half on the right?"""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import torch
from convoy.core.manifest import InputSpec
from convoy_training.recipe import Config
from convoy_training.task import Data, Export, Metric, Predict
from torch import Tensor, nn
from torch.nn import functional

FIELDS = {
    "name": "tiny",
    "task": "classification",
    "epochs": 3,
    "batch_size": 8,
    "ema_decay": 0.9,
    "optimizer": {"lr": 0.05},
}


def draw_images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    images = random.integers(0, 100, (count, 16, 16, 3)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 8 * label : 8 * label + 8] += 120
    return images, labels


class Batches:
    """Shuffled with noise: both must come back after a resume."""

    def __init__(self, batch_size: int) -> None:
        images, labels = draw_images(32, seed=1)
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.labels) // self.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(len(self.labels)).split(self.batch_size):
            yield self.images[rows] + torch.rand(len(rows), 16, 16, 3), self.labels[rows]


def build_model(config: Config) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(4 * 14 * 14, 2)
    )


class Graph(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model((images.float() / 255).permute(0, 3, 1, 2)).softmax(1)


def compute_loss(model: nn.Module, batch: tuple[Tensor, Tensor], config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    images, labels = batch
    return functional.cross_entropy(model((images / 255).permute(0, 3, 1, 2)), labels), {}


def evaluate(predict: Predict, config: Config, split: str) -> list[Metric]:
    images, labels = draw_images(64, seed=2)
    right = predict(images)["probabilities"].argmax(1) == labels
    return [Metric("top1_accuracy", float(right.mean()), "halves", split, len(labels))]


def describe(config: Config) -> Export:
    manifest = {
        "architecture": "tiny",
        "labels": ["left", "right"],
        "input": InputSpec(height=16, width=16, resize="stretch"),
    }
    return Export(("probabilities",), manifest, data=("halves",), data_terms="none", tolerance=1e-5)


TASK = SimpleNamespace(
    Config=Config,
    build_model=build_model,
    build_data=lambda config: Data(Batches(config.batch_size), "0" * 64),
    compute_loss=compute_loss,
    build_graph=lambda model, config: Graph(model),
    example_images=lambda config, split="validation": draw_images(8, seed=3)[0],
    evaluate=evaluate,
    describe=describe,
)
CONFIG = Config.model_validate(FIELDS)
