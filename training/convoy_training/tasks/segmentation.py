"""Semantic segmentation: a class for each pixel, learnt by weighted cross-entropy and Dice, measured by mean IoU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, Self

import cv2
import numpy as np
import torch
from convoy.core.manifest import MAX_SIDE, GreyWindow, InputSpec
from convoy.core.pictures.resizing import min_side, place
from convoy.segmentation import task
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from convoy_training import recipe
from convoy_training.augment.batch import Augmentation, Crop, augment
from convoy_training.augment.scene import change_light, crop_and_scale
from convoy_training.data import coco_masks, isbi, masks
from convoy_training.data.archive import open_archive
from convoy_training.data.mask_files import IGNORE
from convoy_training.data.photo import DECODERS, stack_alike
from convoy_training.data.reading import LabelledSource
from convoy_training.distillation import Teacher, compare_maps, describe_teacher, open_teacher
from convoy_training.errors import RecipeError
from convoy_training.losses.borders import Borders, weigh_borders
from convoy_training.losses.overlap import compute_dice, weigh_classes
from convoy_training.metrics.bootstrap import bootstrap
from convoy_training.metrics.overlap import count_pixels, measure_accuracy, measure_iou, measure_mean_iou
from convoy_training.metrics.regions import measure_rand_score
from convoy_training.models.architecture import find_architecture, named_for
from convoy_training.models.segmenter import Segmenter
from convoy_training.task import Data, Export, Images, Metric, Predict

MEAN, DEVIATION = Segmenter.normalisation
FEWEST = 20
"""With fewer pictures the metric says that its interval is unsure: too few stand for all possible pictures."""


class Source(LabelledSource):
    """Where images and masks come from: a folder, a tar or a zip, and the form of its lists."""

    format: Literal["masks", "coco", "isbi"] = "masks"
    white: Literal["auto", "class", "ignored"] = Field(
        "auto", description="what 255 means in masks of two classes: the second one, or ignored; auto: by all masks"
    )


Shade = Annotated[int, Field(ge=0, le=255)]


class Config(recipe.Config):
    """The fields of a segmentation recipe."""

    data: Source
    palette: list[tuple[Shade, Shade, Shade]] = Field([], description="RGB colour of each class in pictures")
    architecture: Annotated[str, AfterValidator(named_for("segmentation"))] = "unet"
    widths: Annotated[recipe.Widths, Field(max_length=8)] = (16, 32, 64, 128, 192)
    depths: recipe.Counts = Field((1, 2, 2, 2), description="of the unet; the original has none")
    dropout: float = Field(0.1, ge=0, lt=1)
    crop: Crop = (256, 320)
    scales: recipe.Range = (0.6, 1.6)
    mirror: bool = Field(True, description="left and right are exchanged half of the time")
    light: float = Field(0.3, ge=0, lt=1)
    augment: Augmentation | None = Field(None, description="further changes, a batch at once, on the device")
    repeats: int = Field(1, gt=0, description="times that an epoch shows each frame")
    teacher: Teacher | None = Field(None, description="a published segmenter to learn from, beside the labels")
    dice: recipe.Weight = Field(0.5, description="weight of the Dice loss beside cross-entropy")
    long_side: int = Field(480, gt=0, le=MAX_SIDE, description="longest side of a picture in the service, in pixels")
    window: GreyWindow | None = Field(None, description=recipe.WINDOW)
    regions_of: str = Field("", description="class whose connected regions are also judged, by the Rand score")
    borders: Borders | None = Field(None, description="more weight where two regions of `regions_of` nearly touch")
    class_bias: tuple[float, ...] = Field((), description="added to the logit of each class before the class is chosen")

    @model_validator(mode="after")
    def _borders_are_of_something(self) -> Self:
        if self.borders and not self.regions_of:
            raise ValueError("borders: name the class whose regions they separate, in regions_of")
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        self.network.check_recipe(self)
        if any(side % self.stride for side in self.crop):
            raise ValueError(f"crop: both sides must be multiples of {self.stride}, the stride of this network")
        if self.augment:
            self.augment.check(self.crop, self.stride, self.mirror)
        return self

    @property
    def network(self) -> type[Segmenter]:
        """The class of the network, which knows its stride."""
        network: type[Segmenter] = find_architecture(self.architecture).network
        return network

    @property
    def stride(self) -> int:
        """The stride of the deepest features, in pixels of the input."""
        return self.network.find_stride(self)


class Batches:
    """Shuffled frames; each epoch scales, crops, mirrors and relights them differently.

    A batch is images uint8 [N,H,W,3] and class ids int64 [N,H,W], made in threads, each frame with its own generator.
    """

    def __init__(self, split: masks.Split, config: Config) -> None:
        self.split, self.config = split, config

    def __len__(self) -> int:
        return len(self.split.examples) * self.config.repeats // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[Callable[[], tuple[Tensor, Tensor]]]:
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        order = np.concatenate([random.permutation(len(self.split.examples)) for _ in range(self.config.repeats)])
        for rows in np.split(order[: len(self) * self.config.batch_size], len(self)):
            yield partial(self._make, rows, int(random.integers(2**62)))

    def _make(self, rows: np.ndarray, seed: int) -> tuple[Tensor, Tensor]:
        config = self.config
        images = np.empty((len(rows), *config.crop, 3), np.uint8)

        def draw(place: int) -> np.ndarray:
            random = np.random.default_rng((seed, place))
            image, mask = open_example(self.split.examples[rows[place]], config)
            image, mask = crop_and_scale(image, mask, config.crop, config.scales, config.mirror, IGNORE, random)
            change_light(image, config.light, random, images[place])
            return mask

        drawn = np.stack(list(DECODERS.map(draw, range(len(rows)))))
        return torch.from_numpy(images), torch.from_numpy(drawn).long()


class Graph(nn.Module):
    """uint8 RGB [N,H,W,3] -> class_map uint8 [N,H,W]."""

    def __init__(self, model: nn.Module, class_bias: Sequence[float] = ()) -> None:
        super().__init__()
        self.model, self.bias = model, torch.tensor(class_bias)

    def forward(self, images: Tensor) -> Tensor:
        logits = self.model(normalise(images))
        if len(self.bias):
            logits = logits + self.bias[:, None, None]
        return logits.argmax(1).to(torch.uint8)


def normalise(images: Tensor) -> Tensor:
    """RGB [N,H,W,3] in 0..255 -> float [N,3,H,W]."""
    # Transpose first: in ONNX Runtime, transposing bytes and then computing on planes costs less than the other order.
    planes = images.permute(0, 3, 1, 2).float()
    return (planes - torch.tensor(MEAN, device=images.device)[:, None, None]) / DEVIATION


def load_split(config: Config, split: str) -> masks.Split:
    """Reads and checks one split."""
    module: Any = {"masks": masks, "coco": coco_masks, "isbi": isbi}[config.data.format]
    loaded: masks.Split = module.load_split(config.data.path, split, config.data.reading)
    return loaded.through(config.window) if config.window else loaded


def open_example(example: masks.Example, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The picture [H,W,3] at the size that the service would give to the network, and its mask [H,W]."""
    spec = describe_input(config)
    canvas, where = place(example.photo.decode(min_side(spec)).image_rgb, spec)
    image, mask = canvas[: where.height, : where.width], example.read_mask()
    if mask.shape != image.shape[:2]:
        mask = cv2.resize(mask, (where.width, where.height), interpolation=cv2.INTER_NEAREST_EXACT)  # type: ignore[assignment]
    return image, mask


def build_model(config: Config) -> nn.Module:
    data = load_split(config, "train")
    for name in ("class_bias", "palette"):  # they do not fit if the recipe was copied from other data
        if (given := len(getattr(config, name))) not in (0, len(data.classes)):
            raise RecipeError(
                f"{name}: has {given} entries for {len(data.classes)} classes: give one for each class, or leave it out"
            )
    if config.regions_of and config.regions_of not in data.classes:
        raise RecipeError(
            f"regions_of: there is no class '{config.regions_of}'; the classes are {', '.join(data.classes)}"
        )
    model = find_architecture(config.architecture).build_for(config, len(data.classes), lambda: None)
    model.register_buffer("class_weights", weigh_classes(data.pixels))
    return model


def build_data(config: Config) -> Data:
    split = load_split(config, "train")
    masks.check_classes(split, config.data.path)
    masks.check_validation(load_split(config, "validation"), config.data.path)
    find_change = open_archive(config.data.path).find_change
    taught_by = describe_teacher(config.teacher, config.task, split.classes)
    return Data(Batches(split, config), digest_data(config), taught_by, find_change=find_change)


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the data."""
    return open_archive(config.data.path).digest


def compute_loss(model: nn.Module, batch: tuple[Tensor, Tensor], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    images, target = batch
    if config.augment:
        images, target = augment(images, target, config.augment, IGNORE)  # type: ignore[assignment]
    logits = model(normalise(images))
    entropy = compute_entropy(logits, target, model.class_weights, config)  # type: ignore[arg-type]
    dice = compute_dice(logits, target, IGNORE)
    loss, parts = entropy + config.dice * dice, {"entropy": entropy, "dice": dice}
    if config.teacher:
        teacher = open_teacher(config.teacher.model, config.task, load_split(config, "train").classes)
        parts["teacher"] = compare_maps(logits, images, teacher, IGNORE)
        loss = loss + config.teacher.weight * parts["teacher"]
    return loss, parts


def compute_entropy(logits: Tensor, target: Tensor, class_weights: Tensor, config: Config) -> Tensor:
    """The mean cross-entropy over pixels, weighted by class and, if the recipe says so, by nearby borders."""
    known = target != IGNORE
    if not known.any():  # nothing is labelled in these crops: they teach nothing
        return logits.sum() * 0.0
    if not config.borders:
        return functional.cross_entropy(logits, target, class_weights, ignore_index=IGNORE)
    inside = load_split(config, "train").classes.index(config.regions_of)
    # Weights are drawn after augmentation, so that distances are those of the picture that the network sees.
    drawn = [weigh_borders(m == inside, config.borders.height, config.borders.width_px) for m in target.cpu().numpy()]
    weights = class_weights[target.where(known, 0)] + torch.from_numpy(np.stack(drawn)).to(target.device)
    loss = functional.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
    return (loss * weights * known).sum() / (weights * known).sum()


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model, config.class_bias)


def example_images(config: Config, split: str = "validation") -> Images:
    examples, spec = load_split(config, split).examples, describe_input(config)
    chosen = examples[:: min(13, max(1, len(examples) // 2))]
    canvases = [place(example.photo.decode(min_side(spec)).image_rgb, spec)[0] for example in chosen]
    return stack_alike(canvases)


def describe_input(config: Config) -> InputSpec:
    """Any picture of at most `long_side` pixels a side, padded to whole strides."""
    return InputSpec(stride=config.stride, long_side=config.long_side, resize="letterbox", window=config.window)


def find_masks(predict: Predict, config: Config, split: str) -> Iterator[np.ndarray]:
    """The class map [H,W] that the service would give for each picture of a split."""
    manifest = describe(config).preview()
    for example in load_split(config, split).examples:
        picture = example.photo.decode(min_side(manifest.input))
        canvas, placement = task.prepare(picture, manifest)
        yield task.interpret({"class_map": predict(canvas[None])["class_map"][0]}, placement, picture)


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    data = load_split(config, split)
    return measure_masks(find_masks(predict, config, split), data, config.data.title, split, config.regions_of)


def measure_masks(
    answers: Iterable[np.ndarray], data: masks.Split, title: str, split: str, regions_of: str = ""
) -> Sequence[Metric]:
    """The metrics of class maps [H,W], one for each example. regions_of: the class whose regions count too."""
    frames, scores = [], []
    inside = data.classes.index(regions_of) if regions_of else None
    for found, example in zip(answers, data.examples, strict=True):
        truth = example.read_mask()
        frames.append(count_pixels(found, truth, len(data.classes), IGNORE))
        if inside is not None:
            scores.append(measure_rand_score(found == inside, truth == inside))

    shown = np.sum(frames, axis=0).sum(1) > 0  # a class without a pixel is not measured, only what is wrongly found

    def measure(rows: np.ndarray) -> Mapping[str, float]:
        counts = np.sum([frames[row] for row in rows], axis=0)
        values = {"mean_iou": measure_mean_iou(counts), "pixel_accuracy": measure_accuracy(counts)}
        if scores:
            values["foreground_rand_score"] = float(np.mean([scores[row] for row in rows]))
        each = zip(data.classes, measure_iou(counts), shown, strict=True)
        return values | {f"iou_{name}": float(v) for name, v, known in each if known}

    # Neighbouring frames of a film resemble each other, so the true interval is somewhat wider.
    intervals, few = bootstrap(measure, len(frames)), len(frames) < FEWEST
    condition = f"interval from {len(frames)} pictures, too few to be sure of it" if few else ""
    return [
        Metric(name, value, title, split, len(frames), intervals[name], condition)
        for name, value in measure(np.arange(len(frames))).items()
    ]


def describe(config: Config) -> Export:
    data, spec = load_split(config, "train"), describe_input(config)
    manifest = {
        "architecture": config.architecture,
        "input": spec,
        "palette": config.palette,
        "labels": list(data.classes),
    }
    return Export(
        outputs=("class_map",), manifest=manifest, stride=spec.stride, data_terms=config.licence,
        data=(f"{config.data.title}, {len(data.examples)} training images",),
    )  # fmt: skip
