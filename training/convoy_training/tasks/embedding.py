"""Embeddings of pictures of anything: what a classifier computes before its last layer, at unit length.

It is trained as a classifier is, and measured by recall at k: how often one of the k nearest other pictures shows the
same class. `convoy-train embedder` makes one of a classifier that is trained already.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from convoy.classification import task
from convoy.core.pictures.decoding import Picture
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.classifier_graph import answer, normalise
from convoy_training.errors import TrainingError
from convoy_training.metrics.retrieval import find_nearest, measure_recalls
from convoy_training.task import Data, Export, Images, Metric, Predict
from convoy_training.tasks import classification
from convoy_training.tasks.classification import Split, load_split

build_model = classification.build_model
digest_data = classification.digest_data
example_images = classification.example_images
AT_ONCE = 250


class Config(classification.Config):
    """The fields of a classifier's recipe, and how many pictures are compared."""

    measured: int = Field(2000, ge=20, description="pictures of a split that are compared with each other")
    embedding_size: int = Field(0, ge=0, description="set at export: how many numbers an embedding has")


class Graph(nn.Module):
    """uint8 RGB [N,H,W,3] -> embeddings [N,D] of unit length."""

    def __init__(self, model: nn.Module, config: Config) -> None:
        super().__init__()
        self.model, self.config = cut_head(model), config

    def forward(self, images: Tensor) -> Tensor:
        x = normalise(images, self.config)
        if self.config.mirror_average:
            (features,) = answer(self.model, torch.cat([x, x.flip(3)]))
            features = features.unflatten(0, (2, -1)).mean(0)
        else:
            (features,) = answer(self.model, x)
        return functional.normalize(features, dim=1)


def cut_head(model: nn.Module) -> nn.Module:
    """A copy of a classifier that answers what its last fully connected layer is given. Raises TrainingError."""
    cut = copy.deepcopy(model)
    names = [name for name, layer in cut.named_modules() if isinstance(layer, nn.Linear)]
    if not names:
        raise TrainingError(f"{type(model).__name__} ends in no fully connected layer, before which embeddings lie")
    parent, _, name = names[-1].rpartition(".")
    setattr(cut.get_submodule(parent), name, nn.Identity())
    return cut


def build_data(config: Config) -> Data:
    return classification.build_data(config)


def compute_loss(model: nn.Module, batch: tuple[Tensor, Tensor], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    return classification.compute_loss(model, batch, config)


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model, config)


def settle(predict: Predict, config: Config) -> Config:
    """The recipe with the length of an embedding."""
    size = predict(example_images(config)[:1])["embeddings"].shape[1]
    return config.model_copy(update={"embedding_size": int(size)})


def choose(config: Config, split: str) -> tuple[Images, NDArray[np.int64], Split]:
    """Pictures at equal steps of a split, `measured` at most, with their labels."""
    data = load_split(config, split)
    rows = np.linspace(0, len(data.labels) - 1, min(config.measured, len(data.labels))).astype(int)
    return np.stack([data.images[row : row + 1][0] for row in rows.tolist()]), data.labels[rows], data


def embed(predict: Predict, config: Config, images: Images) -> NDArray[np.float32]:
    """Embeddings [N,D] of pictures, prepared as the service prepares them."""
    manifest, parts = describe(config).preview(), []
    for start in range(0, len(images), AT_ONCE):
        pictures = [Picture(image, image.shape[1], image.shape[0]) for image in images[start : start + AT_ONCE]]
        prepared = np.stack([task.prepare(picture, manifest)[0] for picture in pictures])
        parts.append(predict(prepared)["embeddings"])
    return np.concatenate(parts)


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    """Recall at 1 and 5, beside the same by the distance of raw pixels."""
    images, labels, data = choose(config, split)
    pixels = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    found: dict[str, NDArray[np.float32]] = {"": embed(predict, config, images), "pixels_": pixels}
    condition = f"among {len(labels):,} pictures of {len(data.classes)} classes, which the training knows"
    return [
        Metric(f"{by}recall_at_{k}", value, config.data.title, split, len(labels), interval, condition)
        for by, vectors in found.items()
        for k, (value, interval) in measure_recalls(find_nearest(vectors), labels).items()
    ]


def describe(config: Config) -> Export:
    told = classification.describe(config)
    manifest = {name: fact for name, fact in told.manifest.items() if name != "labels"}
    return Export(
        outputs=("embeddings",), manifest={**manifest, "embedding_size": config.embedding_size}, tolerance=1e-4,
        data=told.data, data_terms=told.data_terms,
    )  # fmt: skip
