"""What a detection recipe says: its fields, the splits of its data, and its network and input."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from convoy.core.manifest import MASK_OUTPUTS, MAX_POINTS, MAX_SIDE, GreyWindow, InputSpec, MaskSpec, Thresholds
from pydantic import AfterValidator, Field, model_validator

from convoy_training import recipe
from convoy_training.augment.batch import Augmentation
from convoy_training.data import coco, isbi_cells, tools, voc, yolo
from convoy_training.data.boxes import Split
from convoy_training.data.faults import remembered
from convoy_training.data.instances import with_masks
from convoy_training.data.poses import check_points, with_points
from convoy_training.data.reading import LabelledSource, Reading
from convoy_training.distillation import Teacher
from convoy_training.models.architecture import find_architecture, named_for
from convoy_training.models.detector import Beside, Detector
from convoy_training.models.yolo import STRIDES
from convoy_training.task import Export


class Source(LabelledSource):
    """Where the boxes come from: a folder, a tar or a zip, and the form of its labels."""

    format: Literal["voc", "coco", "yolo", "labelme", "via", "cvat", "label_studio", "isbi"] = "voc"


class Config(recipe.Config):
    """The fields of a detection recipe."""

    data: Source
    architecture: Annotated[str, AfterValidator(named_for("detection"))] = "yolo"
    widths: recipe.Counts = Field((12, 24, 48, 96, 160), description="none for faster-rcnn and mask-rcnn: VGG-16")
    depths: recipe.Counts = Field((1, 1, 2, 1), description="of the yolo")
    head_width: int = Field(48, gt=0, description="of the yolo's heads; of the others' fully connected layers")
    anchor_sizes: tuple[recipe.Positive, ...] = Field(
        (32, 64, 128), min_length=1, description="of faster-rcnn and mask-rcnn, in input pixels"
    )
    proposals: int = Field(100, gt=0, description="regions that the second stage of faster-rcnn and mask-rcnn looks at")
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
    mask_width: int = Field(64, gt=0, description="of the mask-rcnn's mask head")
    mask_weight: recipe.Weight = 2.0
    masks_per_picture: int = Field(150, gt=0, description="cells of a picture whose masks are compared in one step")
    points: list[str] = Field([], max_length=MAX_POINTS, description="of the yolo-points: names of the points to find")
    point_sigmas: tuple[recipe.Positive, ...] = Field(
        (), description="how exactly each point can be told, as COCO has it; left out: COCO's for its body, else 0.05"
    )
    point_weight: recipe.Weight = 1.0
    detection_threshold: float | None = Field(
        None, ge=0, le=1, description="default of the service; left out: the best by F1 on validation"
    )
    iou_threshold: float = Field(0.5, ge=0, le=1, description="default of the service's non-maximum suppression")

    @model_validator(mode="after")
    def _changes_are_possible(self) -> Self:
        if self.augment and find_detector(self).teaches:
            beside = find_detector(self).teaches
            raise ValueError(f"augment: it moves boxes and no {beside}; leave it out for networks that give {beside}")
        if self.augment:
            size = self.input_size, self.input_size
            self.augment.check(size, STRIDES[-1], self.mirror, self.upside_down)
        return self

    @model_validator(mode="after")
    def _numbers_are_the_networks(self) -> Self:
        find_detector(self).check_recipe(self)
        if (find_detector(self).teaches == "points") != bool(self.points):
            raise ValueError("points: name the points that the yolo-points finds; leave them out for other networks")
        check_points(self.points, self.point_sigmas)
        if self.teacher and find_detector(self).teaches:
            raise ValueError(f"teacher: a {self.architecture} learns {find_detector(self).teaches} by labels alone")
        if self.teacher and find_detector(self).compute_loss is not Detector.compute_loss:
            raise ValueError(f"teacher: the {self.architecture} has no cells to compare; take one of the yolos")
        return self


def find_detector(config: Config) -> type[Detector]:
    """The class of a recipe's network, which holds its loss."""
    detector: type[Detector] = find_architecture(config.architecture).network
    return detector


def load_split(config: Config, split: str) -> Split:
    """Reads and checks one split in the recipe's format, once."""
    # A localiser reads the same splits and has no detector.
    beside: Beside = find_detector(config).teaches if isinstance(config, Config) else ""
    place = config.data.path, split, config.data.reading, config.data.format
    loaded: Split = _read_beside(*place, beside, tuple(config.points)) if beside else _read(*place)
    return loaded.through(config.window) if config.window else loaded


@remembered
def _read_beside(path: str, split: str, how: Reading, form: str, beside: Beside, points: tuple[str, ...]) -> Split:
    # Remembered as the readers remember boxes, since the masks of many objects take time to be read.
    loaded = _read(path, split, how, form)
    return with_masks(loaded, path) if beside == "masks" else with_points(loaded, path, points)


def _read(path: str, split: str, how: Reading, form: str) -> Split:
    loaded: Split
    if form in tools.READERS:
        loaded = tools.load_split(path, split, form, how)
    else:
        module: Any = {"voc": voc, "coco": coco, "yolo": yolo, "isbi": isbi_cells}[form]
        loaded = module.load_split(path, split, how)
    return loaded


def describe_input(config: Config) -> InputSpec:
    """Any picture of at most `input_size` pixels a side, padded to whole strides, or to a square if it must be one."""
    if find_detector(config).fixed_size:
        return InputSpec(height=config.input_size, width=config.input_size, resize="letterbox", window=config.window)
    return InputSpec(stride=STRIDES[-1], long_side=config.input_size, resize="letterbox", window=config.window)


def describe(config: Config) -> Export:
    """What export and the manifest must know about the graph."""
    data, spec = load_split(config, "train"), describe_input(config)
    thresholds = Thresholds(detection=config.detection_threshold, iou=config.iou_threshold)
    form = find_detector(config).mask_form
    manifest = {
        "architecture": config.architecture,
        "masks": MaskSpec(form=form) if form else None,
        "points": list(config.points),
        "input": spec,
        "labels": list(data.classes),
        "thresholds": thresholds,
    }
    return Export(
        outputs=("boxes", "scores", *(MASK_OUTPUTS[form] if form else ()), *(("points",) if config.points else ())),
        manifest=manifest, stride=None if spec.height else spec.stride, tolerance=5e-3,
        data=(f"{config.data.title}, {len(data.examples)} training images",), data_terms=config.licence,
    )  # fmt: skip
