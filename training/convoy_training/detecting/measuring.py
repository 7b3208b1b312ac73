"""How good a detector is, by COCO's protocol: average precision of its boxes, masks and points, as the service answers.

Every number has the 95 % interval over draws of the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from convoy.core.manifest import Manifest
from convoy.core.pictures.resizing import min_side
from convoy.detection import task
from numpy.typing import NDArray

from convoy_training.data.boxes import Example
from convoy_training.data.poses import find_sigmas
from convoy_training.detecting.config import Config, describe, find_detector, load_split
from convoy_training.metrics.mask_precision import MOST_MASKS, Masks, collect_masks, evaluate_masks, summarise_masks
from convoy_training.metrics.point_precision import Poses, collect_poses, evaluate_poses, summarise_poses
from convoy_training.metrics.precision import (
    Boxes,
    measure_average_precision,
    measure_intervals,
    read_precision,
    resample_pictures,
)
from convoy_training.task import Metric, Predict


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    """The metrics of a split: of masks or points first, if the network gives them, then of boxes."""
    data = load_split(config, split)
    truth = [find_truth(example) for example in data.examples]
    found = find_objects(predict, config, split, 0.001)
    values = measure_average_precision(found, truth, data.classes)
    intervals = measure_intervals(found, truth, data.classes)
    more = {"": None, "masks": measure_masks, "points": measure_points}[find_detector(config).teaches]
    return (more(predict, config, split) if more else []) + [
        Metric(name, value, config.data.title, split, len(truth), intervals[name])
        for name, value in values.items()
        if not math.isnan(value)  # a class without an object is not measured
    ]


def find_objects(predict: Predict, config: Config, split: str, threshold: float) -> list[Boxes]:
    """The objects that the service would find in each picture of a split, down to the score `threshold`."""
    options = task.Options(detection_threshold=threshold, iou_threshold=config.iou_threshold, max_detections=100)
    return [collect(found) for found in _detect(predict, config, split, options)]


def detect(
    predict: Predict, manifest: Manifest, examples: Sequence[Example], options: task.Options
) -> list[list[task.Detection]]:
    """The service's answer for each picture; manifest: as `Export.preview` gives it."""
    found = []
    for example in examples:
        picture = example.photo.decode(min_side(manifest.input))
        canvas, placement = task.prepare(picture, manifest)
        outputs = {name: values[0] for name, values in predict(canvas[None]).items()}
        found.append(task.interpret(outputs, placement, picture, manifest, options))
    return found


def measure_masks(predict: Predict, config: Config, split: str) -> list[Metric]:
    """The average precision of the masks that the service would find in a split."""
    data = load_split(config, split)
    options = task.Options(0.01, config.iou_threshold, max_detections=MOST_MASKS, masks=True)
    found = [collect_masks(one) for one in _detect(predict, config, split, options)]
    truth = [Masks(example.masks, example.labels) for example in data.examples]
    evaluation = evaluate_masks(found, truth, data.classes)
    intervals = resample_pictures(evaluation, summarise_masks)
    told = f"masks, at most {MOST_MASKS} for each picture"
    return [
        Metric(name, value, config.data.title, split, len(truth), intervals[name], told)
        for name, value in summarise_masks(read_precision(evaluation)).items()
    ]


def measure_points(predict: Predict, config: Config, split: str) -> list[Metric]:
    """The average precision of the named points that the service would find in a split, by object similarity (OKS)."""
    data = load_split(config, split)
    options = task.Options(0.01, config.iou_threshold, max_detections=100)
    found = [collect_poses(one, len(config.points)) for one in _detect(predict, config, split, options)]
    truth = [Poses(_points(example), example.boxes_xyxy, example.labels) for example in data.examples]
    evaluation = evaluate_poses(found, truth, data.classes, find_sigmas(config.points, config.point_sigmas))
    intervals = resample_pictures(evaluation, summarise_poses)
    return [
        Metric(name, value, config.data.title, split, len(truth), intervals[name], "points")
        for name, value in summarise_poses(read_precision(evaluation)).items()
    ]


def _detect(predict: Predict, config: Config, split: str, options: task.Options) -> list[list[task.Detection]]:
    return detect(predict, describe(config).preview(), load_split(config, split).examples, options)


def _points(example: Example) -> NDArray[np.float32]:
    assert example.places is not None  # `load_split` reads them for such a network
    return example.places.points


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
