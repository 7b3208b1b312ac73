"""Object detection: boxes with labels, learnt by any `Detector`, measured by COCO's mean AP."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from convoy.core.pictures.resizing import min_side, place
from torch import Tensor, nn

from convoy_training.augment.points import augment_boxes
from convoy_training.data.archive import open_archive
from convoy_training.data.boxes import Split, check_classes, check_validation
from convoy_training.data.photo import stack_alike
from convoy_training.detecting.batches import Batch, Batches
from convoy_training.detecting.config import Config, describe, describe_input, find_detector, load_split
from convoy_training.detecting.measuring import evaluate, find_objects, find_truth
from convoy_training.distillation import compare_cells, describe_teacher, open_teacher
from convoy_training.metrics.detection_threshold import measure_f1
from convoy_training.metrics.precision import evaluate_boxes
from convoy_training.models.architecture import find_architecture
from convoy_training.models.detector import Detector
from convoy_training.task import Data, Images, Predict

__all__ = [
    "Batches", "Config", "build_data", "build_graph", "build_model", "compute_loss", "describe", "describe_input",
    "digest_data", "evaluate", "example_images", "load_split", "settle",
]  # fmt: skip


class Graph(nn.Module):
    """uint8 RGB [N,H,W,3] -> boxes xyxy [N,A,4] in input pixels, scores [N,A,C]; before non-maximum suppression.

    Networks that give masks or points add the outputs that the manifest names (see `Detector.conclude`).
    """

    def __init__(self, model: Detector) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.model.conclude(self.model(normalise(images)))


def normalise(images: Tensor) -> Tensor:
    """RGB [N,H,W,3] in 0..255 -> float [N,3,H,W] in 0..1."""
    return (images.float() / 255).permute(0, 3, 1, 2)


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
    images, truth_boxes, truth_labels, *beside = batch
    detector = find_detector(config)
    if beside:
        return detector.compute_whole_loss(model, normalise(images), truth_boxes, truth_labels, beside[0], config)
    if config.augment:
        images, truth_boxes, truth_labels = augment_boxes(images, truth_boxes, truth_labels, config.augment)
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


def settle(predict: Predict, config: Config) -> Config:
    """The recipe with the detection threshold that validation gives, if it does not say its own."""
    if config.detection_threshold is not None:
        return config
    data = load_split(config, "validation")
    truth = [find_truth(example) for example in data.examples]
    found = evaluate_boxes(find_objects(predict, config, "validation", 0.001), truth, data.classes)
    return config.model_copy(update={"detection_threshold": measure_f1(found).choose()})
