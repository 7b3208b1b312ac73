"""Single-object localisation: whether one of the sought objects is in the picture, where, and of which class.

The pictures are windows cut out of larger, labelled ones; each shows one sought object or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from convoy.core.manifest import MAX_SIDE, GreyWindow, InputSpec, Thresholds
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import place
from convoy.detection import task
from pydantic import Field
from torch import Tensor, nn

from convoy_training import recipe
from convoy_training.augment.scene import change_light
from convoy_training.augment.window import Window, cut_window
from convoy_training.data.archive import open_archive
from convoy_training.data.boxes import Split, check_classes, check_validation
from convoy_training.data.photo import DECODERS
from convoy_training.detecting.config import Source
from convoy_training.detecting.config import load_split as load_boxes
from convoy_training.errors import RecipeError
from convoy_training.losses.localisation import compute_localisation_loss
from convoy_training.metrics.bootstrap import bootstrap
from convoy_training.metrics.localisation import Answer, judge
from convoy_training.models.localiser import Localiser
from convoy_training.task import Data, Export, Images, Metric, Predict
from convoy_training.tasks.detection import normalise

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


class Config(recipe.Config):
    """The fields of a localisation recipe."""

    data: Source
    sought: list[str] = Field(min_length=1, description="classes to localise; all others are background")
    widths: recipe.Widths = (16, 32, 64, 128)
    window_px: int = Field(256, gt=0, description="side of a window, in pixels of the pictures")
    input_size: int = Field(128, gt=0, le=MAX_SIDE, multiple_of=16)
    window: GreyWindow | None = Field(None, description=recipe.WINDOW)
    repeats: int = Field(4, gt=0, description="windows that an epoch, or a validation, cuts out of each picture")
    empty: float = Field(0.3, ge=0, lt=1, description="share of windows without a sought object")
    mirror: bool = Field(True, description="left and right are exchanged half of the time")
    upside_down: bool = Field(False, description="top and bottom too, for things without an upper side, such as cells")
    light: float = Field(0.3, ge=0, lt=1)
    box_weight: recipe.Weight = 5.0
    detection_threshold: float = Field(0.5, ge=0, le=1, description="default of the service")


class Batches:
    """Shuffled windows: images uint8 [N,S,S,3], present [N], boxes [N,4] as in `Location`, labels [N].

    They are made in threads, each window with a generator of its own.
    """

    def __init__(self, split: Split, config: Config) -> None:
        self.split, self.config = split, config
        self.input = describe_input(config)

    def __len__(self) -> int:
        return len(self.split.examples) * self.config.repeats // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[Callable[[], Batch]]:
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        rows = random.permutation(np.repeat(np.arange(len(self.split.examples)), self.config.repeats))
        for chosen in np.split(rows[: len(self) * self.config.batch_size], len(self)):
            yield partial(self._make, chosen, int(random.integers(2**62)))

    def _make(self, rows: np.ndarray, seed: int) -> Batch:
        images = np.empty((len(rows), self.config.input_size, self.config.input_size, 3), np.uint8)

        def draw(place: int) -> Window:
            random = np.random.default_rng((seed, place))
            window = self._draw(int(rows[place]), random)
            change_light(window.image_rgb, self.config.light, random, images[place])
            return window

        windows = list(DECODERS.map(draw, range(len(rows))))
        return torch.from_numpy(images), *collate(windows)

    def _draw(self, row: int, random: np.random.Generator) -> Window:
        window = draw_window(self.split, row, self.config, random)
        image = place(window.image_rgb, self.input)[0]
        return Window(image, window.box_xyxy, window.label).flip((self.config.mirror, self.config.upside_down), random)


class Graph(nn.Module):
    """uint8 RGB [N,H,W,3] -> one box xyxy [N,1,4] in input pixels, and its scores [N,1,C]: p_c times each class."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        presence, box, classes = self.model(normalise(images))
        centre, size = box[:, :2], box[:, 2:].flip(1)
        sides = torch.tensor([images.shape[2], images.shape[1]] * 2)
        boxes = torch.cat([centre - size / 2, centre + size / 2], 1) * sides
        return boxes[:, None], (presence.sigmoid()[:, None] * classes.softmax(1))[:, None]


def collate(windows: Sequence[Window]) -> tuple[Tensor, Tensor, Tensor]:
    """The truth for the loss: present [N], boxes [N,4] as shares (centre x, y, height, width), labels [N]."""
    present = torch.tensor([w.label is not None for w in windows])
    labels = torch.tensor([w.label or 0 for w in windows])
    near, far = torch.from_numpy(np.stack([w.box_xyxy for w in windows])).float().split(2, 1)
    return present, torch.cat([(near + far) / 2, (far - near).flip(1)], 1), labels


def load_split(config: Config, split: str) -> Split:
    """The pictures of a split with the sought objects; raises RecipeError if the data lacks a sought class."""
    data = load_boxes(config, split)  # type: ignore[arg-type]
    if unknown := [name for name in config.sought if name not in data.classes]:
        raise RecipeError(f"sought: '{unknown[0]}' is not one of {', '.join(data.classes)}")
    return data.keep(config.sought)


def draw_window(split: Split, row: int, config: Config, random: np.random.Generator) -> Window:
    """Cuts a window with one object, or none, out of a picture, or out of another one if it has no such place."""
    while True:
        window = cut_window(
            split.examples[row].decode(), config.window_px, bool(random.random() >= config.empty), random
        )
        if window:
            return window
        row = int(random.integers(len(split.examples)))


def draw_windows(config: Config, split: str) -> list[Window]:
    """Draws the windows to measure a split on: `repeats` of each picture, which are always the same."""
    data, random = load_split(config, split), np.random.default_rng(0)
    return [draw_window(data, row, config, random) for row in range(len(data.examples)) for _ in range(config.repeats)]


def build_model(config: Config) -> nn.Module:
    return Localiser(len(config.sought), config.widths)


def build_data(config: Config) -> Data:
    split = load_split(config, "train")
    check_classes(split, config.data.path)
    check_validation(load_split(config, "validation"), config.data.path)
    find_change = open_archive(config.data.path).find_change
    return Data(Batches(split, config), digest_data(config), find_change=find_change)


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the data."""
    return open_archive(config.data.path).digest


def compute_loss(model: nn.Module, batch: Batch, config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    images, present, boxes, labels = batch
    return compute_localisation_loss(model(normalise(images)), present, boxes, labels, config.box_weight)


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model)


def example_images(config: Config, split: str = "validation") -> Images:
    return np.stack([place(w.image_rgb, describe_input(config))[0] for w in draw_windows(config, split)[:32]])


def describe_input(config: Config) -> InputSpec:
    """An input of one size, since there is one answer for the whole picture."""
    return InputSpec(height=config.input_size, width=config.input_size, resize="letterbox", window=config.window)


def localise(predict: Predict, config: Config, windows: Sequence[Window]) -> Iterator[Answer]:
    """The service's answer for each window: the surest object above its threshold, or nothing."""
    manifest = describe(config).preview()
    for window in windows:
        height, width = window.image_rgb.shape[:2]
        picture = Picture(window.image_rgb, width, height)
        canvas, placement = task.prepare(picture, manifest)
        outputs = {name: values[0] for name, values in predict(canvas[None]).items()}
        found = task.interpret(outputs, placement, picture, manifest, task.Options(max_detections=1))
        yield Answer(np.array(found[0].box_xyxy), found[0].index) if found else Answer(np.zeros(4), None)


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    windows = draw_windows(config, split)
    outcomes = [
        judge(window, answer) for window, answer in zip(windows, localise(predict, config, windows), strict=True)
    ]
    objects = np.array([window.label is not None for window in windows])
    pictures = np.arange(len(windows)).reshape(-1, config.repeats)

    def measure(drawn: np.ndarray) -> dict[str, float]:
        rows = pictures[drawn].ravel()
        chosen = [outcomes[row] for row in rows]
        return {
            "localisation_accuracy": float(np.mean([outcome.localisation for outcome in chosen])),
            "presence_accuracy": float(np.mean([outcome.presence for outcome in chosen])),
            "mean_overlap": float(np.mean([outcomes[row].overlap for row in rows[objects[rows]]])),
        }

    counts = {"mean_overlap": int(objects.sum())}
    intervals = bootstrap(measure, len(pictures))  # windows of one picture are not independent
    return [
        Metric(name, value, config.data.title, split, counts.get(name, len(windows)), intervals[name])
        for name, value in measure(np.arange(len(pictures))).items()
    ]


def describe(config: Config) -> Export:
    manifest = {
        "architecture": "localiser",
        "input": describe_input(config),
        "labels": config.sought,
        "thresholds": Thresholds(detection=config.detection_threshold, iou=0.5),
    }
    return Export(
        outputs=("boxes", "scores"), manifest=manifest, task="detection", data_terms=config.licence,
        data=(f"{config.data.title}, windows of {len(load_split(config, 'train').examples)} training images",),
    )  # fmt: skip
