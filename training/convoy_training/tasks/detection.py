"""Object detection: boxes with labels, learnt by any `Detector`, measured by COCO's mean AP."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from convoy.core.manifest import MASK_OUTPUTS, MAX_SIDE, GreyWindow, InputSpec, MaskSpec, Thresholds
from convoy.core.pictures.resizing import min_side, place
from convoy.detection import task
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn

from convoy_training import recipe
from convoy_training.augment.batch import Augmentation
from convoy_training.augment.mosaic import draw_mosaic, draw_single
from convoy_training.augment.points import augment_boxes
from convoy_training.augment.scene import change_light
from convoy_training.data import coco, isbi_cells, tools, voc, yolo
from convoy_training.data.archive import open_archive
from convoy_training.data.boxes import Example, Split, check_classes, check_validation
from convoy_training.data.instances import draw_reduced, shrink, with_masks
from convoy_training.data.photo import DECODERS, stack_alike
from convoy_training.data.reading import LabelledSource
from convoy_training.distillation import Teacher, compare_cells, describe_teacher, open_teacher
from convoy_training.metrics.detection_threshold import measure_f1
from convoy_training.metrics.mask_precision import MOST_MASKS, Masks, collect_masks, measure_mask_precision
from convoy_training.metrics.precision import (
    Boxes,
    evaluate_boxes,
    measure_average_precision,
    measure_intervals,
)
from convoy_training.models.architecture import find_architecture, named_for
from convoy_training.models.detector import Detector
from convoy_training.models.yolo import STRIDES
from convoy_training.structures import Scene
from convoy_training.task import Data, Export, Images, Metric, Predict

Batch = tuple[Tensor, ...]
"""Images, boxes and labels, and for networks that give masks the maps of the objects; see `Batches`."""


class Source(LabelledSource):
    """Where the boxes come from: a folder, a tar or a zip, and the form of its labels."""

    format: Literal["voc", "coco", "yolo", "labelme", "via", "cvat", "label_studio", "isbi"] = "voc"


class Config(recipe.Config):
    """The fields of a detection recipe."""

    data: Source
    architecture: Annotated[str, AfterValidator(named_for("detection"))] = "yolo"
    widths: recipe.Counts = Field((12, 24, 48, 96, 160), description="none for the faster-rcnn: VGG-16")
    depths: recipe.Counts = Field((1, 1, 2, 1), description="of the yolo")
    head_width: int = Field(48, gt=0, description="of the yolo's heads; of the others' fully connected layers")
    anchor_sizes: tuple[recipe.Positive, ...] = Field(
        (32, 64, 128), min_length=1, description="of the faster-rcnn, in input pixels"
    )
    proposals: int = Field(100, gt=0, description="regions that the faster-rcnn's second stage looks at")
    pyramid: tuple[recipe.Positive, ...] = Field(
        (2.0, 1.0, 0.5), min_length=1, description="scales at which the sliding-window looks"
    )
    input_size: int = Field(320, gt=0, le=MAX_SIDE, multiple_of=STRIDES[-1])
    window: GreyWindow | None = Field(None, description=recipe.WINDOW)
    repeats: int = Field(1, gt=0, description="times that an epoch shows each picture")
    scales: recipe.Range = (0.7, 1.5)
    mirror: bool = Field(True, description="left and right are exchanged half of the time")
    upside_down: bool = Field(False, description="top and bottom too, for things without an upper side, such as cells")
    light: float = Field(0.3, ge=0, lt=1)
    augment: Augmentation | None = Field(None, description="further changes, a batch at once, on the device")
    mosaic: float = Field(0.6, ge=0, le=1, description="share of the examples that are mosaics of four")
    plain_epochs: int = Field(15, ge=0, description="last epochs without mosaics")
    teacher: Teacher | None = Field(None, description="a published YOLO to learn from, cell by cell, beside the labels")
    box_weight: recipe.Weight = 3.0
    prototypes: int = Field(16, gt=0, le=256, description="of the yolo-masks: how many masks it weighs and adds up")
    mask_weight: recipe.Weight = 2.0
    masks_per_picture: int = Field(150, gt=0, description="cells of a picture whose masks are compared in one step")
    detection_threshold: float | None = Field(
        None, ge=0, le=1, description="default of the service; left out: the best by F1 on validation"
    )
    iou_threshold: float = Field(0.5, ge=0, le=1, description="default of the service's non-maximum suppression")

    @model_validator(mode="after")
    def _changes_are_possible(self) -> Self:
        if self.augment and find_detector(self).gives_masks:
            raise ValueError("augment: it moves boxes and no masks; leave it out for networks that give masks")
        if self.augment:
            size = self.input_size, self.input_size
            self.augment.check(size, STRIDES[-1], self.mirror, self.upside_down)
        return self

    @model_validator(mode="after")
    def _numbers_are_the_networks(self) -> Self:
        find_detector(self).check_recipe(self)
        if self.teacher and find_detector(self).compute_loss is not Detector.compute_loss:
            raise ValueError(f"teacher: the {self.architecture} has no cells to compare; take one of the yolos")
        return self


def find_detector(config: Config) -> type[Detector]:
    """The class of a recipe's network, which holds its loss."""
    detector: type[Detector] = find_architecture(config.architecture).network
    return detector


class Batches:
    """Shuffled examples, alone or four together; each epoch places, mirrors and relights them differently.

    A batch is images uint8 [N,H,W,3], boxes_xyxy [N,K,4] and labels [N,K], -1 where padded, crowds from
    CROWD down; for networks that give masks also maps int32 [N,H/4,W/4] with the number of each pixel's box, counted
    from 1, or 0. It is made in threads, picture by picture: each draws from a generator of its own, so that their order
    changes nothing.
    """

    def __init__(self, split: Split, config: Config) -> None:
        self.examples, self.config = [example.with_crowds() for example in split.examples], config
        self.smallest = min_side(describe_input(config))

    def __len__(self) -> int:
        return len(self.examples) * self.config.repeats // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[Callable[[], Batch]]:
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        mosaic = self.config.mosaic if epoch < self.config.epochs - self.config.plain_epochs else 0.0
        order = np.concatenate([random.permutation(len(self.examples)) for _ in range(self.config.repeats)])
        for rows in np.split(order[: len(self) * self.config.batch_size], len(self)):
            yield partial(self._make, rows, mosaic, int(random.integers(2**62)))

    def _make(self, rows: np.ndarray, mosaic: float, seed: int) -> Batch:
        size = self.config.input_size
        images = np.empty((len(rows), size, size, 3), np.uint8)

        def draw(place: int) -> Scene:
            random = np.random.default_rng((seed, place))
            scene = self._draw(int(rows[place]), mosaic, random)
            change_light(scene.image_rgb, self.config.light, random, images[place])
            return scene

        drawn = list(DECODERS.map(draw, range(len(rows))))
        most = max(1, *(len(d.labels) for d in drawn))
        maps = [shrink(d.instances) for d in drawn if d.instances is not None]
        boxes = np.zeros((len(drawn), most, 4), np.float32)
        labels = np.full((len(drawn), most), -1, np.int64)
        for i, d in enumerate(drawn):
            boxes[i, : len(d.labels)], labels[i, : len(d.labels)] = d.boxes_xyxy, d.labels
        batch = torch.from_numpy(images), torch.from_numpy(boxes), torch.from_numpy(labels)
        return (*batch, torch.from_numpy(np.stack(maps))) if maps else batch

    def _draw(self, row: int, mosaic: float, random: np.random.Generator) -> Scene:
        size, scales, sides = self.config.input_size, self.config.scales, (self.config.mirror, self.config.upside_down)
        if random.random() >= mosaic:
            return draw_single(self._open(row), size, scales, sides, random)
        others = random.integers(len(self.examples), size=3)
        return draw_mosaic([self._open(int(each)) for each in (row, *others)], size, scales, sides, random)

    def _open(self, row: int) -> Scene:
        example = self.examples[row]
        if not find_detector(self.config).gives_masks:
            return example.decode(self.smallest)
        return example.decode(self.smallest, partial(draw_reduced, example))


class Graph(nn.Module):
    """uint8 RGB [N,H,W,3] -> boxes xyxy [N,A,4] in input pixels, scores [N,A,C]; before non-maximum suppression.

    A network that gives masks also gives prototypes [N,M,h,w] and coefficients [N,A,M].
    """

    def __init__(self, model: Detector) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        answer = self.model(normalise(images))
        decoded = self.model.decode(answer)
        return (*decoded, answer[-1], answer[-2]) if self.model.gives_masks else decoded


def normalise(images: Tensor) -> Tensor:
    """RGB [N,H,W,3] in 0..255 -> float [N,3,H,W] in 0..1."""
    return (images.float() / 255).permute(0, 3, 1, 2)


def load_split(config: Config, split: str) -> Split:
    """Reads and checks one split in the recipe's format."""
    loaded: Split
    if (tool := config.data.format) in tools.READERS:
        loaded = tools.load_split(config.data.path, split, tool, config.data.reading)
    else:
        module: Any = {"voc": voc, "coco": coco, "yolo": yolo, "isbi": isbi_cells}[config.data.format]
        loaded = module.load_split(config.data.path, split, config.data.reading)
    # A localiser reads the same splits and has no detector.
    if isinstance(config, Config) and find_detector(config).gives_masks:
        loaded = with_masks(loaded, config.data.path)
    return loaded.through(config.window) if config.window else loaded


def build_model(config: Config) -> nn.Module:
    split = load_split(config, "train")
    architecture = find_architecture(config.architecture)
    return architecture.build_for(config, len(split.classes), lambda: measure_shapes(split, config))


def measure_shapes(split: Split, config: Config) -> np.ndarray:
    """Widths and heights [K,2] of all boxes, as they appear in the network's input."""
    shapes = [
        (e.boxes_xyxy[:, 2:] - e.boxes_xyxy[:, :2]) * (config.input_size / max(e.photo.width, e.photo.height))
        for e in split.examples
    ]
    return np.concatenate(shapes)


def build_data(config: Config) -> Data:
    split = load_split(config, "train")
    check_classes(split, config.data.path)
    check_validation(load_split(config, "validation"), config.data.path)
    find_change = open_archive(config.data.path).find_change
    taught_by = describe_teacher(config.teacher, config.task, split.classes)
    return Data(Batches(split, config), digest_data(config), taught_by, find_change=find_change)


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the data."""
    return open_archive(config.data.path).digest


def compute_loss(model: nn.Module, batch: Batch, config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    images, truth_boxes, truth_labels, *maps = batch
    if maps:
        network: Any = find_detector(config)
        masked: tuple[Tensor, Mapping[str, Tensor]] = network.compute_masked_loss(
            model, normalise(images), truth_boxes, truth_labels, maps[0], config
        )
        return masked
    if config.augment:
        images, truth_boxes, truth_labels = augment_boxes(images, truth_boxes, truth_labels, config.augment)
    detector = find_detector(config)
    if not config.teacher:
        return detector.compute_loss(model, normalise(images), truth_boxes, truth_labels, config)
    answer = model(normalise(images))  # once: the labels' loss and the teacher's take the same answer
    loss, parts = detector.compute_loss(lambda _: answer, images, truth_boxes, truth_labels, config)  # type: ignore[arg-type]
    teacher = open_teacher(config.teacher.model, config.task, load_split(config, "train").classes)
    taught = compare_cells(answer[0], answer[1], images, teacher)
    return loss + config.teacher.weight * taught, {**parts, "teacher": taught}


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model)  # type: ignore[arg-type]  # `build_model` gives a Detector


def example_images(config: Config, split: str = "validation") -> Images:
    examples, spec = load_split(config, split).examples[:32], describe_input(config)
    canvases = [place(example.decode(min_side(spec)).image_rgb, spec)[0] for example in examples]
    return stack_alike(canvases, 8)


def describe_input(config: Config) -> InputSpec:
    """Any picture of at most `input_size` pixels a side, padded to whole strides, or to a square if it must be one."""
    if find_detector(config).fixed_size:
        return InputSpec(height=config.input_size, width=config.input_size, resize="letterbox", window=config.window)
    return InputSpec(stride=STRIDES[-1], long_side=config.input_size, resize="letterbox", window=config.window)


def find_objects(predict: Predict, config: Config, split: str, threshold: float) -> list[Boxes]:
    """The objects that the service would find in each picture of a split, down to the score `threshold`."""
    manifest, found = describe(config).preview(), []
    options = task.Options(detection_threshold=threshold, iou_threshold=config.iou_threshold, max_detections=100)
    for example in load_split(config, split).examples:
        picture = example.photo.decode(min_side(manifest.input))
        canvas, placement = task.prepare(picture, manifest)
        outputs = {name: values[0] for name, values in predict(canvas[None]).items()}
        found.append(collect(task.interpret(outputs, placement, picture, manifest, options)))
    return found


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    data = load_split(config, split)
    truth = [find_truth(example) for example in data.examples]
    found = find_objects(predict, config, split, 0.001)
    values = measure_average_precision(found, truth, data.classes)
    intervals = measure_intervals(found, truth, data.classes)
    masks = measure_masks(predict, config, split) if find_detector(config).gives_masks else []
    return masks + [
        Metric(name, value, config.data.title, split, len(truth), intervals[name])
        for name, value in values.items()
        if not math.isnan(value)  # a class without an object is not measured
    ]


def settle(predict: Predict, config: Config) -> Config:
    """The recipe with the detection threshold that validation gives, if it does not say its own."""
    if config.detection_threshold is not None:
        return config
    data = load_split(config, "validation")
    truth = [find_truth(example) for example in data.examples]
    found = evaluate_boxes(find_objects(predict, config, "validation", 0.001), truth, data.classes)
    return config.model_copy(update={"detection_threshold": measure_f1(found).choose()})


def measure_masks(predict: Predict, config: Config, split: str) -> list[Metric]:
    """The average precision of the masks that the service would find in a split."""
    manifest, found, data = describe(config).preview(), [], load_split(config, split)
    options = task.Options(0.01, config.iou_threshold, max_detections=MOST_MASKS, masks=True)
    for example in data.examples:
        picture = example.photo.decode(min_side(manifest.input))
        canvas, placement = task.prepare(picture, manifest)
        outputs = {name: values[0] for name, values in predict(canvas[None]).items()}
        found.append(collect_masks(task.interpret(outputs, placement, picture, manifest, options)))
    truth = [Masks(example.masks, example.labels) for example in data.examples]
    values = measure_mask_precision(found, truth, data.classes)
    told = f"masks, at most {MOST_MASKS} for each picture"
    return [Metric(name, value, config.data.title, split, len(truth), None, told) for name, value in values.items()]


def find_truth(example: Example) -> Boxes:
    """The true boxes of a picture; crowds count neither as found nor as missed, as in COCO's protocol."""
    boxes = np.concatenate([example.boxes_xyxy, example.crowds_xyxy])
    labels = np.concatenate([example.labels, example.crowd_labels])
    return Boxes(boxes, labels, ignored=np.arange(len(labels)) >= len(example.labels))


def collect(detections: Sequence[task.Detection]) -> Boxes:
    """Turns the service's detections in one picture into arrays."""
    boxes = np.array([d.box_xyxy for d in detections], np.float32).reshape(-1, 4)
    labels, scores = [d.index for d in detections], [d.score for d in detections]
    return Boxes(boxes, np.array(labels, np.int64), np.array(scores, np.float32))


def describe(config: Config) -> Export:
    data, spec = load_split(config, "train"), describe_input(config)
    thresholds = Thresholds(detection=config.detection_threshold, iou=config.iou_threshold)
    masked = find_detector(config).gives_masks
    manifest = {
        "architecture": config.architecture,
        "masks": MaskSpec(form="prototypes") if masked else None,
        "input": spec,
        "labels": list(data.classes),
        "thresholds": thresholds,
    }
    return Export(
        outputs=("boxes", "scores", *(MASK_OUTPUTS["prototypes"] if masked else ())),
        manifest=manifest, stride=None if spec.height else spec.stride, tolerance=5e-3,
        data=(f"{config.data.title}, {len(data.examples)} training images",), data_terms=config.licence,
    )  # fmt: skip
