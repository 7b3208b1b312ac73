"""Face embedding: aligned crops of many people, a compact residual network, margin softmax, verification pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from convoy.core.manifest import InputSpec
from convoy.faces.alignment import ALIGNED_SIZE_PX
from convoy.faces.quality import assess_quality
from pydantic import Field
from torch import Tensor, nn

from convoy_training.augment import face as augment
from convoy_training.data import identities
from convoy_training.losses.margin import MarginSoftmax
from convoy_training.losses.triplet import MinedTriplets
from convoy_training.metrics import identification, verification
from convoy_training.metrics.rejection import measure_miss_after_rejection
from convoy_training.models.face_embedder import FaceEmbedder
from convoy_training.recipe import Config as BaseConfig
from convoy_training.recipe import Data, Export, Images, Metric, Predict, Strict

TRAINING_SETS = ("lfw", "celeba", "celeba_lowres")
VALIDATION_SETS = {"lfw": "LFW", "celeba": "CelebA"}
BORDER_PX = 14

Interval = tuple[float, float]


class Architecture(Strict):
    """The numbers of `FaceEmbedder`."""

    dimension: int = Field(256, gt=0)
    crop_px: int = Field(72, ge=32, le=112)
    widths: tuple[int, ...] = (32, 64, 128, 256)
    depths: tuple[int, ...] = (1, 1, 1)
    dropout: float = Field(0.2, ge=0, lt=1)


class Margin(Strict):
    """The numbers of `MarginSoftmax`."""

    scale: float = Field(32.0, gt=0)
    additive: float = Field(0.35, ge=0)
    angular: float = Field(0.0, ge=0)


class Triplets(Strict):
    """The numbers of `MinedTriplets`, and how many faces of each person a batch has to mine in."""

    margin: float = Field(0.2, gt=0)
    faces_per_person: int = Field(4, ge=2)


class Config(BaseConfig):
    """A face embedder; `images_per_person` caps what the most photographed people add to an epoch.

    It learns by `margin` softmax over the people, or by `triplets` of faces where those are given.
    """

    task: Literal["face_embedding"] = "face_embedding"
    architecture: Architecture = Architecture()
    margin: Margin = Margin()
    triplets: Triplets | None = None
    images_per_person: int = Field(40, gt=0)
    singleton_share: float = Field(0.5, ge=0, le=1, description="share of people with one image seen each epoch")
    degradation: float = Field(1.0, ge=0, le=1)


class Trainee(nn.Module):
    """The embedder with its loss, which for margin softmax has a centre a person that serving does not need."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embedder = FaceEmbedder(**config.architecture.model_dump())
        self.margin = build_loss(config)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch."""
        return self.margin(self.embedder(images), labels)


def build_loss(config: Config) -> nn.Module:
    """Margin softmax, or triplets where the recipe gives them."""
    if config.triplets:
        return MinedTriplets(config.triplets.margin)
    people = len(identities.load_faces(TRAINING_SETS, "train", BORDER_PX).people)
    return MarginSoftmax(people, config.architecture.dimension, **config.margin.model_dump())


class Batches:
    """Augmented crops [B,112,112,3] with their people, drawn anew for each epoch."""

    def __init__(self, faces: identities.Faces, config: Config) -> None:
        self.faces, self.config = faces, config
        self.rows = [np.flatnonzero(faces.labels == person) for person in range(len(faces.people))]
        several = sum(min(len(rows), config.images_per_person) for rows in self.rows if len(rows) > 1)
        singletons = 0 if config.triplets else sum(len(rows) == 1 for rows in self.rows)
        self.size = several + int(singletons * config.singleton_share)

    def __len__(self) -> int:
        return self.size // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Draws one epoch."""
        random = np.random.default_rng(int(torch.randint(2**62, (1,))))
        rows = self.draw_rows(random)
        for step in range(len(self)):
            batch = rows[step * self.config.batch_size : (step + 1) * self.config.batch_size]
            images = np.stack([self.draw_image(row, random) for row in batch])
            yield torch.from_numpy(images), torch.from_numpy(self.faces.labels[batch])

    def draw_rows(self, random: np.random.Generator) -> np.ndarray:
        """A shuffled epoch: at most `images_per_person` of each, and a share of those with a single image."""
        limit = self.config.images_per_person
        several = [random.permutation(rows)[:limit] for rows in self.rows if len(rows) > 1]
        if self.config.triplets:
            return group_rows(several, self.config.triplets.faces_per_person, random)
        singletons = random.permutation([rows[0] for rows in self.rows if len(rows) == 1]).astype(np.int64)
        chosen = np.concatenate([*several, singletons])[: self.size]
        return random.permutation(chosen)

    def draw_image(self, row: int, random: np.random.Generator) -> np.ndarray:
        """One crop, jittered and degraded."""
        image = augment.jitter_crop(self.faces.crops[row], ALIGNED_SIZE_PX, random)
        return augment.degrade(image, random, self.config.degradation)


def group_rows(people: Sequence[np.ndarray], faces: int, random: np.random.Generator) -> np.ndarray:
    """Shuffled groups of up to so many faces of one person, so that a batch has triplets to mine."""
    groups = [rows[i : i + faces] for rows in people for i in range(0, len(rows), faces)]
    return np.concatenate([groups[i] for i in random.permutation(len(groups))])


def build_model(config: Config) -> Trainee:
    """The embedder and its training head."""
    return Trainee(config)


def build_data(config: Config) -> Data:
    """LFW and CelebA people of the training lists, in memory."""
    faces = identities.load_faces(TRAINING_SETS, "train", BORDER_PX)
    return Data(Batches(faces, config), identities.digest(TRAINING_SETS))


def compute_loss(model: nn.Module, batch: tuple[Tensor, Tensor], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Margin softmax over the people."""
    return model(*batch), {}


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    """The embedder alone."""
    return model.embedder  # type: ignore[return-value]


def example_images(config: Config) -> Images:
    """Sixteen held-out LFW faces."""
    return identities.load_faces(("lfw",), "validation").crops[:16]


def embed(predict: Predict, crops: Images, batch_size: int = 64) -> np.ndarray:
    """Embeddings [N,D] of aligned crops [N,112,112,3]."""
    parts = [predict(crops[i : i + batch_size])["embeddings"] for i in range(0, len(crops), batch_size)]
    return np.concatenate(parts)


def evaluate(predict: Predict, config: Config, split: str = "validation") -> Sequence[Metric]:
    """Held-out people: the official pairs, all pairs of faces, and an open-set search."""
    metrics: list[Metric] = []
    for dataset, title in VALIDATION_SETS.items():
        faces, pairs = identities.load_pairs(dataset)
        vectors = embed(predict, faces.crops)
        similarities = (vectors[pairs.first] * vectors[pairs.second]).sum(axis=1)
        metrics += [Metric(f"{dataset}_{n}", v, title, s, c, i) for n, v, s, c, i in judge_pairs(similarities, pairs)]
        if dataset == "lfw":
            people = [*judge_people(vectors, faces.labels), *judge_quality(vectors, faces)]
            metrics += [Metric(f"lfw_{n}", v, title, s, c) for n, v, s, c in people]
    return metrics


def judge_pairs(similarities: np.ndarray, pairs: identities.Pairs) -> Iterator[tuple[str, float, str, int, Interval]]:
    """Name, value, what it was measured on, how much of it, 95 % interval of each measure of the pairs."""
    measures = {
        "pair_accuracy": lambda r: verification.measure_accuracy(similarities[r], pairs.same[r], pairs.fold[r]),
        "tar_at_far_1e-2": lambda r: verification.measure_true_match_rate(*split_pairs(similarities, pairs, r), 1e-2),
        "equal_error_rate": lambda r: verification.measure_equal_error_rate(*split_pairs(similarities, pairs, r)),
    }
    count = len(similarities)
    for name, measure in measures.items():
        interval = verification.measure_interval(measure, count, samples=500)
        yield name, measure(np.arange(count)), "pairs of held-out people", count, interval


def split_pairs(similarities: np.ndarray, pairs: identities.Pairs, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The similarities of genuine and of impostor pairs among these rows."""
    chosen, same = similarities[rows], pairs.same[rows]
    return chosen[same], chosen[~same]


def judge_people(vectors: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, float, str, int]]:
    """Rates that the official pairs are too few for: over all pairs of faces, and of an open-set search."""
    rows, columns = np.triu_indices(len(labels), 1)
    similarities, same = (vectors @ vectors.T)[rows, columns], labels[rows] == labels[columns]
    split = f"all pairs of {len(labels)} faces of {labels.max() + 1} held-out people"
    for rate in (1e-2, 1e-3, 1e-4):
        value = verification.measure_true_match_rate(similarities[same], similarities[~same], rate)
        yield f"all_pairs_tar_at_far_{rate:.0e}".replace("e-0", "e-"), value, split, len(same)
    search = identification.split_search(vectors, labels)
    split = f"held-out people, one photo each of {len(search.gallery)} enrolled, the others and strangers as probes"
    yield "rank_1", identification.measure_rank_one(search), split, len(search.probes)
    for rate in (1e-1, 1e-2):
        value = identification.measure_miss_rate(search, rate)
        yield f"fnir_at_fpir_{rate:.0e}".replace("e-0", "e-"), value, split, len(search.probes)


def judge_quality(vectors: np.ndarray, faces: identities.Faces) -> Iterator[tuple[str, float, str, int]]:
    """The false non-match rate at FMR 1e-3 as the poorest genuine pairs, by the service's own quality, are refused."""
    landmarks = identities.read_landmarks("lfw")
    points = [landmarks[file.removeprefix("lfw/")] for file in faces.files]
    quality = np.array([assess_quality(c, p, 1.0).score for c, p in zip(faces.crops, points, strict=True)])
    rows, columns = np.triu_indices(len(quality), 1)
    similarities, same = (vectors @ vectors.T)[rows, columns], faces.labels[rows] == faces.labels[columns]
    threshold = verification.find_threshold(similarities[~same], 1e-3)
    pair_quality = np.minimum(quality[rows[same]], quality[columns[same]])
    for rejected in (0.0, 0.1, 0.3):
        value = measure_miss_after_rejection(similarities[same], pair_quality, threshold, rejected)
        split = f"genuine pairs of held-out people at FMR 1e-3, the poorest {rejected:.0%} refused by quality"
        yield f"fnmr_rejecting_{rejected:.0%}".replace("%", "_percent"), value, split, int(same.sum())


def describe(config: Config) -> Export:
    """One output of vectors with length one; fixed, aligned 112x112 input."""
    size = ALIGNED_SIZE_PX
    return Export(
        outputs=("embeddings",),
        manifest={"architecture": "face-embedder", "input": InputSpec(height=size, width=size, resize="aligned"),
                  "embedding_size": config.architecture.dimension},
        data=("LFW, 3,973 people of folds 1 to 6 (7,977 images)", "CelebA, 211 identities (4,238 images)",
              "CelebA at 89x109 pixels, 1,131 further identities (3,922 images)"),
        data_terms=config.licence,
    )  # fmt: skip
