"""Image classification: one label per picture, learnt by cross-entropy, measured by top-1 accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from convoy.classification import task
from convoy.core.manifest import MAX_SIDE, GreyWindow, InputSpec
from convoy.core.pictures.decoding import Picture
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from convoy_training import recipe
from convoy_training.augment.batch import Augmentation, augment
from convoy_training.augment.mixup import mix_either, mix_losses
from convoy_training.augment.rand_augment import RandAugment, rand_augment
from convoy_training.augment.shift import cut_out, draw_crops, pad, shift_and_mirror
from convoy_training.classifier_graph import Graph, answer, normalise, show_pixels
from convoy_training.data import cifar, digits, image_folder
from convoy_training.data.archive import open_archive
from convoy_training.data.photo import DECODERS
from convoy_training.data.reading import LabelledSource
from convoy_training.distillation import Teacher, compare_labels, describe_teacher, open_teacher
from convoy_training.losses.entropy import compute_entropy, weigh_classes
from convoy_training.metrics.accuracy import measure_answers
from convoy_training.models.architecture import check_size, find_architecture, find_size, named_for
from convoy_training.task import Data, Export, Images, Metric, Predict

AT_ONCE = 250
AUXILIARY_WEIGHT = 0.3  # of GoogLeNet's two extra heads (Szegedy et al. 2015, section 5)


class Source(LabelledSource):
    """Where the pictures come from: CIFAR, digits, or a folder, tar or zip with train/<class>/ and val/<class>/."""

    format: Literal["cifar", "image_folder", "digits"] = "cifar"
    path: str = cifar.ARCHIVE
    title: str = Field("CIFAR-10", description="what the manifest calls it")


USUAL = {"mean": (0.485, 0.456, 0.406), "deviation": (0.229, 0.224, 0.225)}
"""Of photographs: ImageNet's, with which published classifiers were trained."""


class Config(recipe.Config):
    """The fields of a classification recipe."""

    data: Source = Source()
    architecture: Annotated[str, AfterValidator(named_for("classification"))] = Field(
        "whitened-resnet", description="a name of `convoy-train zoo`"
    )
    input_size: int = Field(32, gt=0, le=MAX_SIDE, description="pixels, both sides")
    window: GreyWindow | None = Field(None, description=recipe.WINDOW)
    mean: tuple[float, float, float] = Field((0.4914, 0.4822, 0.4465), description="of the pixels, RGB, 0 to 1")
    deviation: tuple[recipe.Positive, recipe.Positive, recipe.Positive] = (0.2470, 0.2435, 0.2616)
    widths: recipe.Widths = Field((32, 128, 256), description="of the whitened-resnet")
    refinements: recipe.Counts = (1, 2, 2)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    teacher: Teacher | None = Field(None, description="a published classifier to learn from, beside the labels")
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced: rare classes count more")
    sampler: Literal["shuffled", "balanced"] = Field("shuffled", description="balanced: shows each class as often")
    focal: float = Field(0.0, ge=0, description="gamma of the focal loss: less weight on what is easy")
    shift: int = Field(2, ge=0, description="pixels that a training image may move each way")
    cut_out: int = Field(0, ge=0, description="side of the greyed square in pixels; 0 = none")
    augment: Augmentation | None = Field(None, description="further changes, a batch at once, on the device")
    mixup: float = Field(0.0, ge=0, description="alpha of the Beta distribution of mixup; 0 = none")
    cutmix: float = Field(0.0, ge=0, description="alpha of CutMix; with mixup too, each has half of the batches")
    rand_augment: RandAugment | None = Field(None, description="operations drawn for each picture, all of one strength")
    crop_area: recipe.Shares | None = Field(
        None, description="of an image_folder: shares of a picture that a training crop shows, e.g. [0.08, 1]"
    )
    mirror: bool = Field(True, description="training shows mirror images too; not for digits, letters, left and right")
    resize: Literal["center_crop", "letterbox", "stretch"] = Field(
        "center_crop", description="of an image_folder: the middle square, the whole picture on grey, or stretched"
    )
    mirror_average: bool = Field(False, description="the graph averages an image and its mirror image")
    crops: Literal[1, 5, 10] = Field(
        1,
        description="the graph averages its answers over the middle and the corners (5), and their mirror images (10)",
    )
    network: recipe.Network = Field({}, description=recipe.NETWORK)

    @model_validator(mode="before")
    @classmethod
    def _photographs_have_other_defaults(cls, fields: Any) -> Any:
        """Pictures of a folder come at the architecture's own size, and with ImageNet's mean and deviation."""
        data = fields.get("data") if isinstance(fields, dict) else None
        if not isinstance(data, dict) or data.get("format") != "image_folder":
            return fields
        usual = USUAL if "start_from" not in fields else {}  # whose mean and deviation are taken, unless said
        return {"input_size": find_size(fields.get("architecture")), **usual, **fields}

    @model_validator(mode="after")
    def _mirror_images_are_known(self) -> Self:
        if self.mirror_average and not self.mirror:
            raise ValueError(
                "mirror_average: set it to false, since with `mirror: false` the network never sees mirror images"
            )
        return self

    @model_validator(mode="after")
    def _network_takes_these_numbers(self) -> Self:
        find_architecture(self.architecture).check_numbers(self.network)
        if self.crops == 10 and not self.mirror:
            raise ValueError("crops: choose 5, since with `mirror: false` the network never sees mirror images")
        return self

    @model_validator(mode="after")
    def _crops_are_of_pictures(self) -> Self:
        if self.augment and self.augment.crop:
            raise ValueError("augment.crop: use crop_area, which shows parts of pictures at input_size")
        if self.crop_area and self.data.format != "image_folder":
            raise ValueError("crop_area: only works with an image_folder, whose pictures are larger than input_size")
        if self.shift >= self.input_size:
            raise ValueError("shift: must be less than input_size")
        if self.augment:
            self.augment.check((self.input_size, self.input_size), mirror=self.mirror)
        return self

    @model_validator(mode="after")
    def _pictures_have_that_size(self) -> Self:
        if self.data.format != "image_folder" and self.input_size != cifar.SIDE:
            raise ValueError(
                f"input_size: CIFAR's pictures have {cifar.SIDE} pixels, digits too; only an image_folder's are resized"
            )
        return self

    @model_validator(mode="after")
    def _each_width_has_refinements(self) -> Self:
        if len(self.refinements) != len(self.widths):
            raise ValueError(f"refinements: give one for each of the {len(self.widths)} widths")
        return self


Split = cifar.Split | image_folder.Split
Batch = tuple[Tensor, Tensor]


class Batches:
    """Shuffled batches. With `mirror`, two epochs in a row show each picture and its mirror image."""

    def __init__(self, split: Split, config: Config) -> None:
        self.split, self.config = split, config
        self.labels = torch.from_numpy(split.labels)
        self.side = torch.rand(len(self.labels), generator=torch.Generator().manual_seed(config.seed)) < 0.5
        # Pictures in memory get their margin once, so that every later shift is a plain gather.
        self.padded = pad(torch.from_numpy(split.images), config.shift) if isinstance(split, cifar.Split) else None

    def __len__(self) -> int:
        return len(self.labels) // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[Callable[[], Batch]]:
        mirror = (self.side if epoch % 2 else ~self.side) & self.config.mirror
        order = self._draw_order()
        for rows in order.split(self.config.batch_size)[: len(self)]:
            yield partial(self._make, rows, mirror[rows], int(torch.randint(2**62, ())))

    def _draw_order(self) -> Tensor:
        if self.config.sampler == "shuffled":
            return torch.randperm(len(self.labels))
        return torch.multinomial(1.0 / torch.bincount(self.labels)[self.labels], len(self.labels), replacement=True)

    def _make(self, rows: Tensor, mirror: Tensor, seed: int) -> Batch:
        random = torch.Generator().manual_seed(seed)
        images = shift_and_mirror(self._read(rows, random), mirror, self.config.shift, random)
        if how := self.config.rand_augment:
            each = [(image, how, np.random.default_rng((seed, i))) for i, image in enumerate(images.numpy())]
            images = torch.from_numpy(np.stack(list(DECODERS.map(lambda one: rand_augment(*one), each))))
        if self.config.cut_out:
            images = cut_out(images, self.config.cut_out, random)
        return images, self.labels[rows]

    def _read(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """Pictures uint8 [N,H,W,3] with a margin of `shift` pixels."""
        if self.padded is not None:
            return self.padded[rows]
        assert isinstance(self.split, image_folder.Split)
        crops = draw_crops(len(rows), self.config.crop_area, random) if self.config.crop_area else None
        return pad(torch.from_numpy(self.split.images.read(rows.tolist(), crops)), self.config.shift)


def load_split(config: Config, split: str) -> Split:
    """Reads and checks one split in the recipe's format."""
    if config.data.format == "cifar":
        return cifar.load_split(split, config.data.path)
    if config.data.format == "digits":
        return digits.load_split(split)
    loaded = image_folder.load_split(config.data.path, split, config.input_size, config.data.reading, config.resize)
    return loaded.through(config.window) if config.window else loaded


def build_model(config: Config) -> nn.Module:
    split = load_split(config, "train")
    architecture = find_architecture(config.architecture)
    check_size(architecture, config.input_size, config.network)
    model = architecture.build_for(
        config, len(split.classes), lambda: normalise(torch.from_numpy(split.images[:5000]), config)
    )
    if config.class_weights == "balanced":
        model.register_buffer("class_weights", weigh_classes(split.labels, len(split.classes)))
    return model


def build_data(config: Config) -> Data:
    split = load_split(config, "train")
    data = Data(
        Batches(split, config), digest_data(config), describe_teacher(config.teacher, config.task, split.classes)
    )
    if config.data.format != "image_folder":  # it lies in memory
        return data
    return replace(data, find_change=open_archive(config.data.path).find_change)


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the data."""
    path = config.data.path
    if config.data.format == "digits":
        return digits.digest()
    return cifar.digest(path) if config.data.format == "cifar" else open_archive(path).digest


def compute_loss(model: nn.Module, batch: tuple[Tensor, Tensor], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    images, labels = batch
    if config.augment:
        images, _ = augment(images, None, config.augment)
    pixels, partners, share = mix_either(normalise(images, config), config.mixup, config.cutmix)
    logits, *hints = answer(model, pixels)
    weights: Any = model.class_weights if config.class_weights == "balanced" else None
    smooth = partial(compute_entropy, weights=weights, smoothing=config.label_smoothing, focal=config.focal)
    loss = mix_losses(smooth, logits, labels, partners, share)
    for hint in hints:
        loss = loss + AUXILIARY_WEIGHT * mix_losses(functional.cross_entropy, hint, labels, partners, share)
    parts = {"accuracy": (logits.argmax(1) == labels).float().mean()}
    if config.teacher:
        teacher = open_teacher(config.teacher.model, "classification", load_split(config, "train").classes)
        parts["teacher"] = compare_labels(logits, show_pixels(pixels, config), teacher, config.teacher.temperature)
        loss = loss + config.teacher.weight * parts["teacher"]
    return loss, parts


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model, config)


def example_images(config: Config, split: str = "validation") -> Images:
    images = load_split(config, split).images  # an image_folder sorts them by class, so they are taken at equal steps
    return images[:: max(1, len(images) // 64)][:64]


def predict_split(predict: Predict, config: Config, split: str) -> np.ndarray:
    """Probabilities [N,C] for the pictures of a split, prepared as the service prepares them."""
    data, manifest, parts = load_split(config, split), describe(config).preview(), []
    for start in range(0, len(data.images), AT_ONCE):
        images = data.images[start : start + AT_ONCE]
        pictures = [Picture(image, config.input_size, config.input_size) for image in images]
        parts.append(predict(np.stack([task.prepare(picture, manifest)[0] for picture in pictures]))["probabilities"])
    return np.concatenate(parts)


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    data, manifest = load_split(config, split), describe(config).preview()
    rows = predict_split(predict, config, split)
    first = [task.interpret({"probabilities": row}, manifest)[0].index for row in rows]
    measured = measure_answers(rows, np.array(first), data.labels, data.classes)
    return [Metric(name, one.value, config.data.title, split, one.n, one.interval) for name, one in measured.items()]


def describe(config: Config) -> Export:
    data, size = load_split(config, "train"), config.input_size
    spec = InputSpec(height=size, width=size, resize=config.resize, window=config.window)
    manifest = {"architecture": config.architecture, "input": spec, "labels": list(data.classes)}
    return Export(
        outputs=("probabilities",), manifest=manifest, tolerance=1e-4, data_terms=config.licence,
        data=(f"{config.data.title}, {len(data.labels):,} training images",),
    )  # fmt: skip
