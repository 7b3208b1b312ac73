"""Face verification: a logistic unit over |f(a) - f(b)|, on top of a published embedder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from convoy.core.manifest import GRAPH_FILE, InputSpec, load_manifest
from convoy.faces.alignment import ALIGNED_SIZE_PX
from pydantic import Field
from torch import Tensor, nn

from convoy_training.data import identities
from convoy_training.errors import RecipeError
from convoy_training.metrics.resampling import resample_pairs
from convoy_training.metrics.verification import measure_equal_error_rate
from convoy_training.models.verification_head import PairVerifier, VerificationHead, compute_verification_loss
from convoy_training.recipe import Config as BaseConfig
from convoy_training.session import open_onnx
from convoy_training.task import Data, Export, Images, Metric, Predict

BATCH = 32


class Config(BaseConfig):
    """The fields of a verification recipe; an epoch is `pairs_per_epoch` pairs, half of them of one person."""

    task: Literal["face_verification"] = "face_verification"
    embedder: Path = Field(Path("exported_models/face-embedder-small/1"), description="a published face embedder")
    pairs_per_epoch: int = Field(4096, gt=0)
    people: int | None = Field(None, gt=0, description="train on at most this many people")
    different_images: int | None = Field(20, gt=0, description="train on at most this many images of each person")


class Batches:
    """Batches of embeddings a, b [B,D] of training people, and whether they are the same person [B]."""

    def __init__(self, vectors: np.ndarray, labels: np.ndarray, config: Config) -> None:
        self.vectors, self.labels, self.config = torch.from_numpy(vectors), labels, config
        self.several = [rows for person in np.unique(labels) if len(rows := np.flatnonzero(labels == person)) > 1]

    def __len__(self) -> int:
        return self.config.pairs_per_epoch // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        random = np.random.default_rng(int(torch.randint(2**62, (1,))))
        for _ in range(len(self)):
            same = np.arange(self.config.batch_size) % 2 == 0
            pairs = np.array([self._draw(bool(s), random) for s in same])
            yield self.vectors[pairs[:, 0]], self.vectors[pairs[:, 1]], torch.from_numpy(same)

    def _draw(self, same: bool, random: np.random.Generator) -> np.ndarray:
        if same:
            return random.choice(self.several[random.integers(len(self.several))], 2, replace=False)
        while True:
            pair = random.integers(len(self.labels), size=2)
            if self.labels[pair[0]] != self.labels[pair[1]]:
                return pair


class PublishedEmbedder(nn.Module):
    """A published graph as a layer that does not learn: uint8 RGB [N,112,112,3] -> embeddings [N,D]."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.predict = open_onnx(folder / GRAPH_FILE)

    def forward(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self.predict(images.numpy())["embeddings"])


class Graph(nn.Module):
    """uint8 RGB [N,112,224,3], two aligned faces side by side -> probability [N] that both are the same person."""

    def __init__(self, head: VerificationHead, config: Config) -> None:
        super().__init__()
        self.verifier = PairVerifier(PublishedEmbedder(config.embedder), head)

    def forward(self, images: Tensor) -> Tensor:
        return self.verifier(images).sigmoid()


@cache
def embed_training_faces(embedder: Path, selection: identities.Selection) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings [N,D] and people [N] of LFW's training people with several photos; all of them take minutes."""
    faces = identities.load_faces(("lfw",), "train", selection=selection)
    rows = np.flatnonzero(np.bincount(faces.labels)[faces.labels] > 1)
    predict = open_onnx(embedder / GRAPH_FILE)
    parts = [predict(faces.crops[r])["embeddings"] for r in np.array_split(rows, max(1, len(rows) // BATCH))]
    return np.concatenate(parts), faces.labels[rows]


def build_model(config: Config) -> nn.Module:
    size = load_manifest(config.embedder).embedding_size
    if not size:
        raise RecipeError(f"embedder: {config.embedder} is not a face embedder")
    return VerificationHead(size)


def build_data(config: Config) -> Data:
    selection = identities.Selection(people=config.people, images=config.different_images)
    return Data(Batches(*embed_training_faces(config.embedder, selection), config), digest_data(config))


def digest_data(config: Config) -> str:
    """The SHA-256 of the archive of faces."""
    return identities.digest(("lfw",))


def compute_loss(model: nn.Module, batch: tuple[Tensor, ...], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    first, second, same = batch
    logits = model(first, second)
    return compute_verification_loss(logits, same), {"accuracy": ((logits > 0) == same).float().mean()}


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model, config)  # type: ignore[arg-type]


def show_pairs(rows: slice = slice(None)) -> Images:
    """LFW's pairs of held-out people, both faces side by side [N,112,224,3]."""
    faces, pairs = identities.load_pairs("lfw")
    return np.concatenate([faces.crops[pairs.first[rows]], faces.crops[pairs.second[rows]]], axis=2)


def example_images(config: Config, split: str = "validation") -> Images:
    return show_pairs(slice(0, 8))


def judge_pairs(predict: Predict) -> np.ndarray:
    """The probability of "same person" for each of LFW's held-out pairs."""
    pictures = show_pairs()
    return np.concatenate([predict(pictures[i : i + BATCH])["same"] for i in range(0, len(pictures), BATCH)])


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    probabilities, (faces, pairs) = judge_pairs(predict), identities.load_pairs("lfw")

    def measure(rows: np.ndarray) -> dict[str, float]:
        found, same = probabilities[rows], pairs.same[rows]
        return {
            "lfw_accuracy_at_one_half": float(np.mean((found > 0.5) == same)),
            "lfw_equal_error_rate": measure_equal_error_rate(found[same], found[~same]),
        }

    n, people = len(probabilities), (faces.labels[pairs.first], faces.labels[pairs.second])
    intervals = resample_pairs(measure, people, pairs.same, pairs.fold)
    return [
        Metric(name, value, "LFW", "pairs of held-out people", n, intervals[name], "interval by people")
        for name, value in measure(np.arange(n)).items()
    ]


def describe(config: Config) -> Export:
    """A building block for your own networks; recognition compares embeddings by their calibrated cosine."""
    spec = InputSpec(height=ALIGNED_SIZE_PX, width=2 * ALIGNED_SIZE_PX, resize="stretch")
    return Export(outputs=("same",), manifest={"architecture": "face-verification", "input": spec},
                  data=("LFW people of folds 1 to 6 with several photographs",), data_terms=config.licence)  # fmt: skip
