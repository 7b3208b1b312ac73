"""Image classification: CIFAR-10, a whitened residual network, cross-entropy, top-1 accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from convoy.classification import task
from convoy.core.images import Picture
from convoy.core.manifest import InputSpec
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from convoy_training import recipe
from convoy_training.augment.shift import cut_out, pad, shift_and_mirror
from convoy_training.data import cifar
from convoy_training.metrics.accuracy import measure_interval
from convoy_training.models.whitened_resnet import WhitenedResNet
from convoy_training.recipe import Data, Export, Images, Metric, Predict

MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2470, 0.2435, 0.2616)


class Config(recipe.Config):
    """The fields of a classification recipe."""

    widths: tuple[int, ...] = (32, 128, 256)
    refinements: tuple[int, ...] = (1, 2, 2)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    shift: int = Field(2, ge=0, description="pixels that a training image may move each way")
    cut_out: int = Field(0, ge=0, description="side of the greyed square in pixels; 0 = none")
    mirror_average: bool = Field(True, description="the graph averages an image and its mirror image")


class Batches:
    """Shuffled batches; an image is mirrored in every second epoch, so that two epochs show both sides of each."""

    def __init__(self, split: cifar.Split, config: Config) -> None:
        self.images = pad(torch.from_numpy(split.images), config.shift)
        self.labels = torch.from_numpy(split.labels)
        self.config = config
        self.side = torch.rand(len(self.labels), generator=torch.Generator().manual_seed(config.seed)) < 0.5

    def __len__(self) -> int:
        return len(self.labels) // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        mirror = self.side if epoch % 2 else ~self.side
        order = torch.randperm(len(self.labels))
        for rows in order.split(self.config.batch_size)[: len(self)]:
            images = shift_and_mirror(self.images[rows], mirror[rows], self.config.shift)
            if self.config.cut_out:
                images = cut_out(images, self.config.cut_out)
            yield images, self.labels[rows]


class Graph(nn.Module):
    """uint8 RGB [N,32,32,3] -> probabilities [N,C]."""

    def __init__(self, model: nn.Module, mirror_average: bool) -> None:
        super().__init__()
        self.model = model
        self.mirror_average = mirror_average

    def forward(self, images: Tensor) -> Tensor:
        x = normalise(images)
        logits = self.model(x)
        if self.mirror_average:
            logits = (logits + self.model(x.flip(3))) / 2
        return logits.softmax(dim=1)


def normalise(images: Tensor) -> Tensor:
    """uint8 RGB [N,H,W,3] -> float [N,3,H,W] of zero mean and unit variance over CIFAR-10."""
    mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
    pixels = (images.float() / 255 - mean.to(images.device)) / deviation.to(images.device)
    return pixels.permute(0, 3, 1, 2)


def build_model(config: Config) -> nn.Module:
    split = cifar.load_split("train")
    model = WhitenedResNet(len(split.classes), config.widths, config.refinements)
    model.set_whitening(normalise(torch.from_numpy(split.images[:5000])))
    return model


def build_data(config: Config) -> Data:
    return Data(Batches(cifar.load_split("train"), config), cifar.digest())


def compute_loss(model: nn.Module, batch: tuple[Tensor, Tensor], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    images, labels = batch
    logits = model(normalise(images))
    loss = functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    return loss, {"accuracy": (logits.argmax(1) == labels).float().mean()}


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model, config.mirror_average)


def example_images(config: Config) -> Images:
    return cifar.load_split("validation").images[:64]


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    data, manifest = cifar.load_split(split), describe(config).preview()
    first: list[int] = []
    for images in np.array_split(data.images, max(1, len(data.images) // 250)):
        outputs = predict(np.stack([task.prepare(Picture(image, 32, 32), manifest) for image in images]))
        first += [task.interpret({"probabilities": row}, manifest)[0].index for row in outputs["probabilities"]]
    right, n = int(np.sum(first == data.labels)), len(data.labels)
    return [Metric("top1_accuracy", right / n, "CIFAR-10", split, n, measure_interval(right, n))]


def describe(config: Config) -> Export:
    manifest = {"architecture": "whitened-resnet", "input": InputSpec(height=32, width=32, resize="center_crop"),
                "labels": list(cifar.load_split("validation").classes)}  # fmt: skip
    return Export(
        outputs=("probabilities",), manifest=manifest, tolerance=1e-4,
        data=("CIFAR-10, 45,000 training images",), data_terms=config.licence,
    )  # fmt: skip
