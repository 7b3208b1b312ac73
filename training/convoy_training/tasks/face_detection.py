"""Face detection: boxes and landmarks, learnt from pictures and close-ups, measured by average precision by size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import cv2
import numpy as np
import torch
from convoy.core.manifest import InputSpec, Manifest, Thresholds
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import place
from convoy.faces.task import Options, interpret, prepare
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from convoy_training.augment import face as augment
from convoy_training.augment import face_scene
from convoy_training.augment.batch import Augmentation
from convoy_training.augment.points import augment_faces
from convoy_training.data import cifar, faceless, own_faces, wider
from convoy_training.data.face_pictures import Picture as Photograph
from convoy_training.data.own_faces import compute_data_digest
from convoy_training.errors import LabelError
from convoy_training.losses.face_detection import compute_face_loss
from convoy_training.metrics.face_detection import Found, Truth, measure_average_precision, measure_landmark_error
from convoy_training.models.face_detector import STRIDES, FaceDetector, FaceDetectorGraph, locate_cells
from convoy_training.recipe import Config as BaseConfig
from convoy_training.recipe import Range, Shares, Strict, Weight, Widths
from convoy_training.task import Data, Export, Images, Metric, Predict

ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
INPUT = InputSpec(stride=STRIDES[-1], long_side=640, resize="letterbox")
SMALLEST_PX = (32, 16, 8)
NO_LANDMARKS = (
    "no face of the training split has five landmarks, which alignment needs: add RetinaFace's train/label.txt, or set "
    "data.close_ups=true, or set landmark_weight=0 for a detector that only finds boxes"
)
LOWEST_SCORE = 0.02
"""The lowest score to measure from: average precision needs the whole curve, far below the serving threshold."""


class Architecture(Strict):
    """The numbers of `FaceDetector`."""

    widths: Annotated[Widths, Field(min_length=5, max_length=5)] = (16, 32, 48, 96, 128)
    neck: int = Field(48, gt=0)


class Source(own_faces.Source):
    """Your own pictures, and whether training also shows the close-ups and animals of CONVOY_DATA."""

    close_ups: bool = False


class Config(BaseConfig):
    """A face detector; an epoch is `samples_per_epoch` canvases of `size_px`.

    Without `data` it learns from the WIDER FACE subset, the close-ups and the animals of CONVOY_DATA.
    """

    task: Literal["face_detection"] = "face_detection"
    data: Source | None = None
    architecture: Architecture = Architecture()
    size_px: int = Field(320, ge=64, multiple_of=32)
    samples_per_epoch: int = Field(2048, gt=0)
    face_px: Range = (10.0, 180.0)
    close_up_fill: Shares = Field((0.2, 0.8), description="a close-up's face as a share of its canvas")
    close_up_share: float = Field(0.3, ge=0, le=1)
    animal_share: float = Field(0.2, ge=0, le=1, description="share of a close-up mosaic's quarters without a face")
    faceless_share: float = Field(
        0.0, ge=0, lt=1, description="share of canvases without a face: things, cells, tissue"
    )
    turn_deg: float = Field(
        face_scene.TURN_DEG, ge=0, le=30, description="standard deviation of how far a face is turned"
    )
    degradation: float = Field(0.5, ge=0, le=1)
    augment: Augmentation | None = Field(None, description="further changes, a batch at once, on the device")
    box_weight: Weight = 2.0
    landmark_weight: Weight = 2.0
    thresholds: Thresholds = Thresholds(detection=0.5, iou=0.4)

    @model_validator(mode="after")
    def _changes_are_possible(self) -> Self:
        if self.augment:
            self.augment.check((self.size_px, self.size_px), STRIDES[-1])
        return self

    @property
    def shares(self) -> tuple[float, float]:
        """The shares of close-ups among the canvases, and of animals in mosaics; 0 if the recipe uses neither."""
        return (self.close_up_share, self.animal_share) if not self.data or self.data.close_ups else (0.0, 0.0)


class Batches:
    """Canvases uint8 [B,S,S,3] with padded targets: boxes [B,M,4], landmarks [B,M,5,2], kinds [B,M]."""

    def __init__(self, config: Config) -> None:
        self.config, self.pictures = config, load_pictures(config, "train")
        self.close_up_share, self.animal_share = config.shares
        if self.close_up_share:
            self.close_ups = wider.load_close_ups()
        if self.close_up_share and self.animal_share:
            animals = cifar.load_split("train")
            self.animals = animals.images[np.isin(animals.labels, [animals.classes.index(name) for name in ANIMALS])]

    def __len__(self) -> int:
        return self.config.samples_per_epoch // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Draws one epoch."""
        random = np.random.default_rng(int(torch.randint(2**62, (1,))))
        for _ in range(len(self)):
            yield collate([self.draw_scene(random) for _ in range(self.config.batch_size)])

    def draw_scene(self, random: np.random.Generator) -> face_scene.Scene:
        """Draws one canvas: a picture cut around a face, one close-up, or a mosaic of four."""
        size, config = self.config.size_px, self.config
        if config.faceless_share and random.random() < config.faceless_share:
            scene = show_faceless(faceless.draw(size, random))
        elif random.random() >= self.close_up_share:
            picture = self.pictures[int(random.integers(len(self.pictures)))]
            scene = face_scene.cut_around_face(picture, size, config.face_px, random, config.turn_deg)
        elif random.random() < 0.5:
            scene = self.draw_close_up(size, random)
        else:
            scene = self.draw_mosaic(size, random)
        image = augment.degrade(scene.image_rgb, random, config.degradation)
        return face_scene.Scene(image, scene.boxes_xyxy, scene.landmarks, scene.ignored)

    def draw_close_up(self, size_px: int, random: np.random.Generator) -> face_scene.Scene:
        """Draws one face that fills much of the canvas."""
        picture = self.close_ups[random.integers(len(self.close_ups))]
        low, high = self.config.close_up_fill
        return face_scene.show_close_up(picture, size_px, (low * size_px, high * size_px), random, self.config.turn_deg)

    def draw_mosaic(self, size_px: int, random: np.random.Generator) -> face_scene.Scene:
        """Draws four quarters, each with a close-up or with an animal, whose face must not be found."""
        x, y = (int(v) for v in random.integers(size_px // 3, size_px - size_px // 3, 2))
        windows = [(0, 0, x, y), (x, 0, size_px, y), (0, y, x, size_px), (x, y, size_px, size_px)]
        scenes = []
        for left, top, right, bottom in windows:
            side = max(right - left, bottom - top)
            animal = random.random() < self.animal_share
            scenes.append(self.draw_animal(side, random) if animal else self.draw_close_up(side, random))
        return face_scene.merge_quarters(scenes, windows, size_px)

    def draw_animal(self, size_px: int, random: np.random.Generator) -> face_scene.Scene:
        """Draws a CIFAR animal, a canvas without a face to find."""
        animal = self.animals[random.integers(len(self.animals))]
        return show_faceless(cv2.resize(animal, (size_px, size_px), interpolation=cv2.INTER_CUBIC))


def show_faceless(image_rgb: NDArray[Any]) -> face_scene.Scene:
    """A canvas [S,S,3] without a face to find."""
    nothing = np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, bool)
    return face_scene.Scene(image_rgb, *nothing)


def collate(scenes: Sequence[face_scene.Scene]) -> tuple[Tensor, ...]:
    """Stacks canvases, and pads their faces to the largest number on one canvas."""
    most = max(1, *(len(scene.boxes_xyxy) for scene in scenes))
    boxes = np.zeros((len(scenes), most, 4), np.float32)
    landmarks = np.full((len(scenes), most, 5, 2), np.nan, np.float32)
    kinds = np.zeros((len(scenes), most), np.int64)
    for row, scene in enumerate(scenes):
        count = len(scene.boxes_xyxy)
        boxes[row, :count], landmarks[row, :count] = scene.boxes_xyxy, scene.landmarks
        kinds[row, :count] = np.where(scene.ignored, 2, 1)
    images = np.stack([scene.image_rgb for scene in scenes])
    return tuple(torch.from_numpy(array) for array in (images, boxes, landmarks, kinds))


def build_model(config: Config) -> FaceDetector:
    """The detector, which gives score logits."""
    return FaceDetector(**config.architecture.model_dump())


def load_pictures(config: Config, split: str) -> Sequence[Photograph]:
    """The pictures of a split: your own, or those of CONVOY_DATA."""
    side: own_faces.Split = "train" if split == "train" else "validation"
    return own_faces.load_split(config.data.path, config.data.format, side) if config.data else wider.load_split(side)


def build_data(config: Config) -> Data:
    """Pictures, close-ups of training people, and animals; raises LabelError if landmarks cannot be learnt."""
    batches = Batches(config)
    if not config.data:
        return Data(batches, digest_data(config))
    if config.landmark_weight and not batches.close_up_share and not any(p.whole.any() for p in batches.pictures):
        raise LabelError(config.data.path, None, NO_LANDMARKS)
    return Data(batches, digest_data(config))


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the data, and of the archives that close-ups and pictures without faces come from."""
    without = faceless.ARCHIVES if config.faceless_share else ()
    if not config.data:
        return wider.digest(without)
    close_ups = (*wider.CLOSE_UPS, cifar.ARCHIVE) if config.shares[0] else ()
    return compute_data_digest(config.data.path, *close_ups, *without)


def compute_loss(model: nn.Module, batch: tuple[Tensor, ...], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    """The weighted sum of the score, box and landmark losses, and its parts."""
    images, *targets = batch
    if config.augment:
        images, *targets = augment_faces(images, targets[0], targets[1], targets[2], config.augment)
    cells = locate_cells([(images.shape[1] // s, images.shape[2] // s) for s in STRIDES], images.device)
    parts = compute_face_loss(model(images), cells, (targets[0], targets[1], targets[2]))
    return parts["score"] + config.box_weight * parts["box"] + config.landmark_weight * parts["landmark"], parts


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    """The detector with scores between 0 and 1."""
    return FaceDetectorGraph(model)  # type: ignore[arg-type]


def example_images(config: Config, split: str = "validation") -> Images:
    """Four held-out pictures, or about 32 training ones, on canvases of one size."""
    spec = InputSpec(height=448, width=448, resize="letterbox")
    pictures = load_pictures(config, split)
    # The first picture is repeated if there are too few, since export needs a batch of at least two.
    chosen = pictures[:: -(-len(pictures) // 32)] if split == "train" else [*pictures, *[pictures[0]] * 3][:4]
    return np.stack([place(picture.decode(), spec)[0] for picture in chosen])


def evaluate(predict: Predict, config: Config, split: str = "validation") -> Sequence[Metric]:
    """Average precision by size of face, and the landmark error, with the service's own pre- and post-processing."""
    manifest = describe(config).preview()
    pictures, title = load_pictures(config, split), config.data.title if config.data else "WIDER FACE subset"
    found = [find_faces(predict, picture.decode_as_served(), manifest) for picture in pictures]
    truths = [Truth(picture.boxes_xyxy, picture.landmarks, picture.ignored) for picture in pictures]
    metrics = []
    for smallest in SMALLEST_PX:
        value, count, spread = measure_average_precision(truths, found, smallest)
        where = "as they are" if config.data else "of 448 pixels"
        condition = f"{count} faces with a shorter side of {smallest} pixels or more in pictures {where}"
        metrics.append(Metric(f"ap50_{smallest}px", value, title, split, len(pictures), spread, condition))
    if not any(picture.whole.any() for picture in pictures):
        return metrics
    error, count, interval = measure_landmark_error(truths, found)
    against = "the landmarks of its list" if config.data else "the pseudo landmarks of another detector"
    condition = f"{count} faces found, against {against}"
    name = "median_landmark_error_by_eye_distance"
    return [*metrics, Metric(name, error, title, split, len(pictures), interval, condition)]


def find_faces(predict: Predict, picture: Picture, manifest: Manifest) -> Found:
    """All faces of a picture down to the lowest score."""
    canvas, placement = prepare(picture, manifest)
    outputs = {name: rows[0] for name, rows in predict(canvas[None]).items()}
    options = Options(detection_threshold=LOWEST_SCORE, max_faces=1000)
    faces = interpret(outputs, placement, picture, manifest, options)
    return Found(
        np.array([face.box_xyxy for face in faces], np.float32).reshape(-1, 4),
        np.array([face.score for face in faces], np.float32),
        np.array([face.landmarks_xy for face in faces], np.float32).reshape(-1, 5, 2),
    )


def describe(config: Config) -> Export:
    """Gives boxes, scores and landmarks for any input whose sides are multiples of the largest stride."""
    return Export(
        outputs=("boxes", "scores", "landmarks"),
        manifest={"architecture": "face-detector", "input": INPUT, "thresholds": config.thresholds},
        data=tuple(name_data(config)),
        data_terms=config.licence,
        stride=INPUT.stride,
        tolerance=5e-2,
    )


def name_data(config: Config) -> Iterator[str]:
    """The training data as the manifest names it."""
    if config.data:
        boxes_alone = "" if config.landmark_weight else ", boxes alone: its landmarks mean nothing"
        yield f"{config.data.title}, {len(load_pictures(config, 'train'))} training pictures{boxes_alone}"
    else:
        yield "WIDER FACE subset, 991 training pictures of 5 events"
    close_ups, animals = config.shares
    if close_ups:
        yield "LFW and CelebA training people as close-ups"
    if close_ups and animals:
        yield "CIFAR-10 animals as pictures without a face"
    if config.faceless_share:
        yield f"training pictures of {', '.join(faceless.TITLES)} as pictures without a face"
