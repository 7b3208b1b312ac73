"""Face landmarks: whether a window shows a face, and where its five points are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from convoy.core.manifest import InputSpec
from pydantic import Field
from torch import Tensor, nn

from convoy_training.augment import face as augment
from convoy_training.augment.face_scene import Scene
from convoy_training.augment.face_windows import draw_background, draw_face, single_out
from convoy_training.data import own_faces, wider
from convoy_training.data.face_pictures import Picture
from convoy_training.data.own_faces import compute_data_digest
from convoy_training.errors import LabelError, TrainingError
from convoy_training.metrics.accuracy import measure_interval
from convoy_training.metrics.bootstrap import bootstrap
from convoy_training.metrics.landmarks import measure_errors
from convoy_training.models.landmark_head import LandmarkNet, compute_landmark_loss
from convoy_training.recipe import Config as BaseConfig
from convoy_training.recipe import Weight, Widths
from convoy_training.task import Data, Export, Images, Metric, Predict

TITLE = "LFW and CelebA faces, WIDER backgrounds"
BATCH = 64
TRIES = 1000


class Config(BaseConfig):
    """The fields of a landmark recipe; an epoch is `samples_per_epoch` windows of `size_px`.

    Without `data` it learns from CONVOY_DATA: faces of LFW and CelebA, backgrounds of WIDER FACE.
    """

    task: Literal["face_landmarks"] = "face_landmarks"
    data: own_faces.Source | None = None
    widths: Widths = (16, 32, 64)
    size_px: int = Field(64, ge=32, multiple_of=32)
    samples_per_epoch: int = Field(4096, gt=0)
    validation_windows: int = Field(1000, gt=0)
    empty: float = Field(0.3, ge=0, lt=1, description="share of windows without a face")
    degradation: float = Field(0.5, ge=0, le=1)
    landmark_weight: Weight = 5.0


class Batches:
    """Windows uint8 [B,S,S,3], whether each has a face [B], its landmarks [B,5,2] as shares, NaN where unknown."""

    def __init__(self, config: Config) -> None:
        self.config, self.pictures = config, load_pictures(config, "train")

    def __len__(self) -> int:
        return self.config.samples_per_epoch // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        random = np.random.default_rng(int(torch.randint(2**62, (1,))))
        for _ in range(len(self)):
            scenes = [draw_window(*self.pictures, self.config, random) for _ in range(self.config.batch_size)]
            images = [augment.degrade(scene.image_rgb, random, self.config.degradation) for scene in scenes]
            yield torch.from_numpy(np.stack(images)), *collate(scenes)


class Graph(nn.Module):
    """uint8 RGB [N,H,W,3] -> probability of a face [N], landmarks [N,5,2] in pixels."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, points = self.model(images)
        return logits.sigmoid(), points * torch.tensor([images.shape[2], images.shape[1]])


def load_pictures(config: Config, split: str) -> tuple[Sequence[Picture], Sequence[Picture]]:
    """The faces of a split, one per picture, and the pictures that backgrounds come from."""
    side: own_faces.Split = "train" if split == "train" else "validation"
    if not config.data:
        return wider.load_close_ups(side), wider.load_split(side)
    pictures = own_faces.load_split(config.data.path, config.data.format, side)
    faces = single_out(pictures, config.size_px)
    if not faces:
        raise LabelError(config.data.path, None, f"no face of the {side} split is large enough and has five landmarks")
    return faces, pictures


def draw_window(
    faces: Sequence[Picture], pictures: Sequence[Picture], config: Config, random: np.random.Generator
) -> Scene:
    """Draws a window with one of the faces, or with a piece of background without any face."""
    if random.random() >= config.empty:
        return draw_face(faces[int(random.integers(len(faces)))], config.size_px, random)
    for _ in range(TRIES):
        scene = draw_background(pictures[int(random.integers(len(pictures)))], config.size_px, random)
        if scene:
            return scene
    raise TrainingError(
        f"no background of {config.size_px} pixels without a face was found: add pictures, or set empty=0"
    )


def collate(scenes: Sequence[Scene]) -> tuple[Tensor, Tensor]:
    """Whether there is a face [N], and its landmarks [N,5,2] as shares of the window."""
    landmarks = np.full((len(scenes), 5, 2), np.nan, np.float32)
    for row, scene in zip(landmarks, scenes, strict=True):
        if len(scene.landmarks):
            row[:] = scene.landmarks[0] / scene.image_rgb.shape[0]
    return torch.tensor([len(scene.boxes_xyxy) > 0 for scene in scenes]), torch.from_numpy(landmarks)


def build_model(config: Config) -> nn.Module:
    return LandmarkNet(config.widths)


def build_data(config: Config) -> Data:
    return Data(Batches(config), digest_data(config))


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the data."""
    return compute_data_digest(config.data.path) if config.data else wider.digest()


def compute_loss(model: nn.Module, batch: tuple[Tensor, ...], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    images, face, landmarks = batch
    presence, points = model(images)
    return compute_landmark_loss(presence, points, face, landmarks, config.landmark_weight)


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model)


def draw_windows(config: Config, split: str) -> list[Scene]:
    """Draws the windows to measure a split on, which are always the same."""
    random, pictures = np.random.default_rng(0), load_pictures(config, split)
    return [draw_window(*pictures, config, random) for _ in range(config.validation_windows)]


def example_images(config: Config, split: str = "validation") -> Images:
    return np.stack([scene.image_rgb for scene in draw_windows(config, split)[:32]])


def find_landmarks(predict: Predict, scenes: Sequence[Scene]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [N] and landmarks [N,5,2] in pixels."""
    images = np.stack([scene.image_rgb for scene in scenes])
    answers = [predict(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    return tuple(np.concatenate([a[name] for a in answers]) for name in ("face", "landmarks"))  # type: ignore[return-value]


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    scenes = draw_windows(config, split)
    probabilities, points = find_landmarks(predict, scenes)
    face, truth = (t.numpy() for t in collate(scenes))
    right, n = int(((probabilities > 0.5) == face).sum()), len(scenes)
    errors = measure_errors(points[face], truth[face] * config.size_px)
    title, against = (config.data.title, "its list") if config.data else (TITLE, "other detectors")
    condition = f"{len(errors)} windows with a face, against the landmarks of {against}"
    interval = bootstrap(lambda rows: {"median": float(np.median(errors[rows]))}, len(errors))["median"]
    name = "median_landmark_error_by_eye_distance"
    return [
        Metric(name, float(np.median(errors)), title, split, n, interval, condition),
        Metric("face_accuracy", right / n, title, split, n, measure_interval(right, n)),
    ]


def describe(config: Config) -> Export:
    """A building block for your own networks; the services find landmarks with the face detector."""
    spec = InputSpec(height=config.size_px, width=config.size_px, resize="stretch")
    data = ("LFW and CelebA training people as close-ups", "backgrounds of WIDER FACE training pictures")
    return Export(
        outputs=("face", "landmarks"),
        manifest={"architecture": "face-landmarks", "input": spec},
        data=(config.data.title,) if config.data else data,
        data_terms=config.licence,
    )
