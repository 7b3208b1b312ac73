"""Average precision of named points, as COCO measures it by object similarity (OKS); pycocotools computes it.

The area of an object, by which COCO forgives large ones more, is that of its box here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from convoy.detection.task import Detection
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from convoy_training.metrics.precision import run_evaluation

MOST_POSES = 100


@dataclass(frozen=True)
class Poses:
    """The points [K,P,3] of the objects of one picture (x, y, v), their boxes xyxy [K,4] and labels [K].

    Found ones have scores [K]. An object without a labelled point counts neither as found nor as missed.
    """

    points: NDArray[np.floating]
    boxes_xyxy: NDArray[np.floating]
    labels: NDArray[np.integer]
    scores: NDArray[np.floating] | None = None


def collect_poses(detections: Sequence[Detection], points: int) -> Poses:
    """Turns the service's detections in one picture into arrays. points: how many each object has."""
    places = [[(p.x, p.y, 2.0) for p in one.points] for one in detections]
    boxes, labels = [one.box_xyxy for one in detections], [one.index for one in detections]
    scores = np.array([one.score for one in detections], np.float32)
    return Poses(
        np.array(places, np.float32).reshape(-1, points, 3), np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64), scores,
    )  # fmt: skip


def evaluate_poses(
    found: Sequence[Poses], truth: Sequence[Poses], classes: Sequence[str], sigmas: Sequence[float]
) -> COCOeval:
    """Lets pycocotools match and accumulate the MOST_POSES surest objects of each picture."""
    known = {
        "images": [{"id": i} for i in range(len(truth))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
        "annotations": _annotate(truth),
    }
    return run_evaluation("keypoints", known, _annotate(found), MOST_POSES, sigmas)


def summarise_poses(precision: NDArray[np.floating]) -> dict[str, float]:
    """`points_map_50`, `_75` and `_50_95` from precision [OKS, recall, class]; NaN where there is no object."""
    return {
        "points_map_50": _mean(precision[0]),
        "points_map_75": _mean(precision[5]),
        "points_map_50_95": _mean(precision),
    }


def _annotate(pictures: Sequence[Poses]) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for image, picture in enumerate(pictures):
        sizes = picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]
        for k, (points, label) in enumerate(zip(picture.points, picture.labels, strict=True)):
            annotation = {"id": len(annotations) + 1, "image_id": image, "category_id": int(label), "iscrowd": 0,
                          "keypoints": [float(one) for one in points.reshape(-1)], "area": float(sizes[k].prod()),
                          "num_keypoints": int((points[:, 2] > 0).sum()),
                          "bbox": [float(one) for one in (*picture.boxes_xyxy[k, :2], *sizes[k])]}  # fmt: skip
            if picture.scores is not None:
                annotation["score"] = float(picture.scores[k])
            annotations.append(annotation)
    return annotations


def _mean(precision: NDArray[np.floating]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else math.nan
