"""Face embedding: learnt from aligned crops of many people by a compact residual network, measured by pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from convoy.core.errors import ConvoyError
from convoy.core.manifest import InputSpec, Task, load_manifest
from convoy.faces.alignment import ALIGNED_SIZE_PX
from pydantic import Field, model_validator
from torch import Tensor, nn

from convoy_training.augment import face as augment
from convoy_training.augment.batch import Augmentation
from convoy_training.augment.batch import augment as change
from convoy_training.data import identities, own_people, unlabelled_faces
from convoy_training.data.exclusions import read_exclusions
from convoy_training.errors import RecipeError
from convoy_training.lessons import Drawing, Lessons
from convoy_training.losses.margin import MarginSoftmax
from convoy_training.losses.teaching import Student
from convoy_training.losses.triplet import MinedTriplets
from convoy_training.metrics.face_embedding import judge_found, judge_pairs, judge_people, judge_quality
from convoy_training.models.face_embedder import FaceEmbedder
from convoy_training.models.folding import FoldedEmbedder
from convoy_training.recipe import Config as BaseConfig
from convoy_training.recipe import Counts, Strict, Widths
from convoy_training.structures import UNNAMED
from convoy_training.task import Data, Export, Images, Metric, Predict
from convoy_training.teacher import Teacher, find_model, open_teacher

TRAINING_SETS = ("lfw", "celeba", "celeba_lowres")
VALIDATION_SETS = {"lfw": "LFW", "celeba": "CelebA"}
BORDER_PX = 14
UNLABELLED = "WIDER FACE, faces of 16 pixels and more in 991 training pictures, without names"


class Architecture(Strict):
    """The numbers of `FaceEmbedder`."""

    dimension: int = Field(256, gt=0)
    crop_px: int = Field(72, ge=32, le=112)
    widths: Widths = (32, 64, 128, 256)
    depths: Counts = (1, 1, 1)
    dropout: float = Field(0.2, ge=0, lt=1)
    mirror: bool = Field(True, description="add the embedding of the mirror image when serving")

    @model_validator(mode="after")
    def _each_step_has_a_depth(self) -> Self:
        if len(self.depths) != len(self.widths) - 1:
            raise ValueError(f"depths: give {len(self.widths) - 1} for {len(self.widths)} widths, one less")
        return self


class Margin(Strict):
    """The numbers of `MarginSoftmax`."""

    scale: float = Field(32.0, gt=0)
    additive: float = Field(0.35, ge=0)
    angular: float = Field(0.0, ge=0)


class Triplets(Strict):
    """The numbers of `MinedTriplets`, and how many faces of each person a batch holds for mining."""

    margin: float = Field(0.2, gt=0)
    mining: Literal["semihard", "hard"] = "semihard"
    faces_per_person: int = Field(4, ge=2)


class OwnPeople(Strict):
    """Your own people instead of LFW and CelebA: a folder with a folder of photos for each person, as in LFW."""

    people: Path
    pairs: Path = Field(description="a list as `evaluate --pairs` takes it; people whom it names are held out")
    title: str = Field(description="what the manifest calls it")
    detector: Path = Field(Path("exported_models/face-detector-nano/1"), description="finds and aligns the faces")


class HeldOut(NamedTuple):
    """Faces that training does not use, and pairs of them; the names of their metrics begin with `name`."""

    name: str
    title: str
    faces: identities.Faces
    pairs: identities.Pairs


class Config(BaseConfig):
    """The fields of a face embedding recipe.

    The network learns by `margin` softmax over the people or, if you give them, by `triplets` of faces. An epoch shows
    at most `images_per_person` of each person. With a `teacher` it shows every crop once, and neither
    `images_per_person` nor `singleton_share` counts.
    """

    task: Literal["face_embedding"] = "face_embedding"
    data: OwnPeople | None = Field(None, description="your own people; by default LFW and CelebA")
    architecture: Architecture = Architecture()
    margin: Margin = Margin()
    triplets: Triplets | None = None
    teacher: Teacher | None = Field(None, description="a published or imported embedder to learn from")
    images_per_person: int = Field(40, gt=0)
    singleton_share: float = Field(0.5, ge=0, le=1, description="share of people with one image in each epoch")
    degradation: float = Field(1.0, ge=0, le=1)
    augment: Augmentation | None = Field(None, description="further changes, a batch at once, on the device")
    exclude: Path | None = Field(None, description="a list that `convoy-train clean` wrote: images not to train on")
    people: int | None = Field(None, gt=0, description="train on at most this many people")
    different_images: int | None = Field(None, gt=0, description="train on at most this many images of each person")

    @model_validator(mode="after")
    def _size_stays(self) -> Self:
        if self.augment and self.augment.crop:
            raise ValueError("augment.crop: an aligned face keeps its size; use scales to enlarge it")
        return self

    @model_validator(mode="after")
    def _teacher_sees_the_same(self) -> Self:
        if self.teacher and self.augment:
            raise ValueError(
                "teacher, augment: the teacher does not see changes that are made on the device; use degradation"
            )
        if self.teacher and self.triplets:
            raise ValueError("teacher, triplets: a teacher only works with the margin loss; remove triplets")
        return self

    def build_embedder(self) -> FaceEmbedder:
        """The network without its training head."""
        return FaceEmbedder(**self.architecture.model_dump())


class Trainee(nn.Module):
    """The embedder with its loss. Margin softmax has one centre per person, which serving does not need."""

    training_only = ("margin",)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embedder = config.build_embedder()
        self.margin = build_loss(config)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch."""
        return self.margin(self.embedder(images), labels)


def build_loss(config: Config) -> nn.Module:
    """Margin softmax, or the triplet loss if the recipe has triplets."""
    if config.triplets:
        return MinedTriplets(config.triplets.margin, config.triplets.mining)
    return MarginSoftmax(
        len(load_training_faces(config).people), config.architecture.dimension, **config.margin.model_dump()
    )


def select_faces(config: Config) -> identities.Selection:
    """The selection of training faces that a recipe makes."""
    exclude = read_exclusions(config.exclude) if config.exclude else frozenset()
    return identities.Selection(exclude, config.people, config.different_images)


def load_training_faces(config: Config, border_px: int = BORDER_PX) -> identities.Faces:
    """The crops to train on, each with a border that leaves room for jitter."""
    if config.data:
        own = config.data
        return own_people.load_people(own.people, own.pairs, own.detector, border_px, select_faces(config))
    return identities.load_faces(TRAINING_SETS, "train", border_px, select_faces(config))


def load_held_out(config: Config) -> Iterator[HeldOut]:
    """The held-out people that judge a recipe's embedder: those of its own data, or of LFW and CelebA."""
    if own := config.data:
        yield HeldOut(own_people.OWN, own.title, *own_people.load_held_out(own.pairs, own.people, own.detector))
        return
    for dataset, title in VALIDATION_SETS.items():
        yield HeldOut(dataset, title, *identities.load_pairs(dataset))


def count_samples(images: Sequence[int], config: Config) -> int:
    """The number of crops in an epoch; images: how many each person has."""
    if config.teacher:
        return sum(images)
    several = sum(min(count, config.images_per_person) for count in images if count > 1)
    singletons = 0 if config.triplets else sum(count == 1 for count in images)
    return several + int(singletons * config.singleton_share)


class Batches:
    """Augmented crops [B,112,112,3] with their people; each epoch draws new ones."""

    def __init__(self, faces: identities.Faces, config: Config) -> None:
        self.faces, self.config = faces, config
        self.rows = [np.flatnonzero(faces.labels == person) for person in range(len(faces.people))]
        self.size = count_samples([len(rows) for rows in self.rows], config)

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
        """A shuffled epoch: at most `images_per_person` of each person, and a share of people with a single image."""
        limit = self.config.images_per_person
        several = [random.permutation(rows)[:limit] for rows in self.rows if len(rows) > 1]
        if self.config.triplets:
            return group_rows(several, self.config.triplets.faces_per_person, random)
        singletons = random.permutation([rows[0] for rows in self.rows if len(rows) == 1]).astype(np.int64)
        chosen = np.concatenate([*several, singletons])[: self.size]
        return random.permutation(chosen)

    def draw_image(self, row: int, random: np.random.Generator) -> np.ndarray:
        """Draws one crop, jittered and degraded."""
        image = augment.jitter_crop(self.faces.crops[row], ALIGNED_SIZE_PX, random)
        return augment.degrade(image, random, self.config.degradation)


def group_rows(people: Sequence[np.ndarray], faces: int, random: np.random.Generator) -> np.ndarray:
    """Shuffles groups of up to this many faces of one person, so that a batch has triplets to mine."""
    groups = [rows[i : i + faces] for rows in people for i in range(0, len(rows), faces)]
    return np.concatenate([groups[i] for i in random.permutation(len(groups))])


def build_model(config: Config) -> nn.Module:
    """The embedder and its training head."""
    if config.teacher:
        margin = build_loss(config) if config.teacher.margin else None
        return Student(config.build_embedder(), margin, config.teacher)
    return Trainee(config)


def build_data(config: Config) -> Data:
    """The people to train on, in memory."""
    faces = load_training_faces(config)
    if config.teacher:
        return build_lessons(faces, config, config.teacher)
    return Data(Batches(faces, config), digest_data(config))


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the data; a student's has its teacher in it, and is empty without that at hand."""
    own = config.data
    digest = own_people.digest(own.people, own.pairs) if own else identities.digest(TRAINING_SETS)
    if not config.teacher:
        return digest
    try:
        digests = [digest, load_manifest(find_model(config.teacher.model)).sha256]
    except (ConvoyError, RecipeError):
        return ""
    if config.teacher.unlabelled:
        digests.append(unlabelled_faces.digest())
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def build_lessons(faces: identities.Faces, config: Config, teacher: Teacher) -> Data:
    """The same crops, plus faces without a name if the recipe asks for them, with the teacher's answers."""
    opened = open_teacher(teacher, Task.FACE_EMBEDDING, ALIGNED_SIZE_PX, config.architecture.dimension)
    crops, labels, files = faces.crops, faces.labels, faces.files
    if teacher.unlabelled:
        others, names = unlabelled_faces.load_unlabelled(BORDER_PX)
        crops, files = np.concatenate([crops, others]), (*files, *names)
        labels = np.concatenate([labels, np.full(len(others), UNNAMED)])
    drawing = Drawing(config.seed, config.degradation, teacher.blend)
    whole = digest_data(config)
    lessons = Lessons(crops, labels, drawing, teacher.variants, opened.predict, config.batch_size, [whole, *files],
                      config.architecture.crop_px, teacher.repeat)  # fmt: skip
    return Data(lessons, whole, opened.describe(), lessons.keep_in)


def compute_loss(model: nn.Module, batch: tuple[Tensor, ...], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    """The loss of margin softmax, of triplets, or of learning from a teacher."""
    if config.teacher:
        taught: tuple[Tensor, Mapping[str, Tensor]] = model(*batch)
        return taught
    images, labels = batch
    if config.augment:
        images, _ = change(images, None, config.augment)
    return model(images, labels), {}


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    """The embedder alone, with its constants folded."""
    return FoldedEmbedder(model.embedder)  # type: ignore[arg-type]


def example_images(config: Config, split: str = "validation") -> Images:
    """Sixteen held-out faces, by default of LFW, or 128 faces spread over the training people."""
    if split == "validation":
        first, *_ = load_held_out(config)  # reads all sets, so that errors in them show now
        return first.faces.crops[:16]
    if config.data:
        crops = load_training_faces(config).crops[:, BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
    else:
        crops = identities.load_faces(("lfw",), "train").crops
    return crops[:: max(1, len(crops) // 128)][:128]


def embed(predict: Predict, crops: Images, batch_size: int = 64) -> np.ndarray:
    """Embeddings [N,D] of aligned crops [N,112,112,3]."""
    parts = [predict(crops[i : i + batch_size])["embeddings"] for i in range(0, len(crops), batch_size)]
    return np.concatenate(parts)


def evaluate(predict: Predict, config: Config, split: str = "validation") -> Sequence[Metric]:
    """Measures held-out people by the official pairs, by all pairs of faces, and by an open-set search."""
    metrics: list[Metric] = []
    for dataset, title, faces, pairs in load_held_out(config):
        vectors = embed(predict, faces.crops)
        judged = [*judge_pairs(vectors, faces.labels, pairs)]
        if dataset == "lfw":
            judged = [*judge_found(vectors, faces.labels), *judged]
            judged += [*judge_people(vectors, faces.labels), *judge_quality(vectors, faces)]
        metrics += [Metric(f"{dataset}_{n}", v, title, s, c, i, told) for n, v, s, c, i, told in judged]
    return metrics


def describe(config: Config) -> Export:
    """Gives vectors of length one for aligned faces of 112x112 pixels."""
    size = ALIGNED_SIZE_PX
    data: tuple[str, ...] = (
        "LFW, 3,973 people of folds 1 to 6 (7,977 images)",
        "CelebA, 211 identities (4,238 images)",
        "CelebA at 89x109 pixels, 1,131 further identities (3,922 images)",
    )
    if config.data:
        faces = load_training_faces(config)
        data = (f"{config.data.title}, {len(faces.people):,} people ({len(faces.files):,} images)",)
    if config.teacher and config.teacher.unlabelled:
        data = (*data, UNLABELLED)
    return Export(
        outputs=("embeddings",),
        manifest={"architecture": "face-embedder", "input": InputSpec(height=size, width=size, resize="aligned"),
                  "embedding_size": config.architecture.dimension},
        data=data,
        data_terms=config.licence,
    )  # fmt: skip
