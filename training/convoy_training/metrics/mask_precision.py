"""Average precision of masks, as COCO measures it (Lin et al. 2014); pycocotools computes it.

COCO looks at the 100 surest objects of a picture. Pictures of cells show more, so here it is MOST_MASKS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from convoy.detection.task import Detection
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.cocoeval import COCOeval

from convoy_training.metrics.precision import read_precision, run_evaluation

MOST_MASKS = 300


@dataclass(frozen=True)
class Masks:
    """The objects of one picture: run lengths as pycocotools takes them, labels [K]; found ones have scores [K]."""

    masks: Sequence[dict[str, Any]]
    labels: NDArray[np.integer]
    scores: NDArray[np.floating] | None = None


def collect_masks(detections: Sequence[Detection]) -> Masks:
    """Turns the service's detections in one picture into run lengths, labels and scores."""
    found = [one for one in detections if one.mask is not None and one.mask.area]
    masks = [
        {"size": [one.mask.height, one.mask.width], "counts": one.mask.text()} for one in found if one.mask is not None
    ]
    labels, scores = [one.index for one in found], [one.score for one in found]
    return Masks(masks, np.array(labels, np.int64), np.array(scores, np.float32))


def measure_mask_precision(found: Sequence[Masks], truth: Sequence[Masks], classes: Sequence[str]) -> dict[str, float]:
    """`mask_map_50`, `mask_map_75` and `mask_map_50_95`: means over classes (and over IoU 0.50 to 0.95)."""
    return summarise_masks(read_precision(evaluate_masks(found, truth, classes)))


def summarise_masks(precision: NDArray[np.floating]) -> dict[str, float]:
    """The numbers of `measure_mask_precision` from precision [IoU, recall, class]; NaN where there is no object."""
    return {
        "mask_map_50": _mean(precision[0]),
        "mask_map_75": _mean(precision[5]),
        "mask_map_50_95": _mean(precision),
    }


def evaluate_masks(found: Sequence[Masks], truth: Sequence[Masks], classes: Sequence[str]) -> COCOeval:
    """Lets pycocotools match and accumulate the MOST_MASKS surest masks of each picture."""
    known = {
        "images": [{"id": i, **_size(*pictures)} for i, pictures in enumerate(zip(truth, found, strict=True))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
        "annotations": _annotate(truth),
    }
    return run_evaluation("segm", known, _annotate(found), MOST_MASKS)


def _size(*sides: Masks) -> dict[str, int]:
    """Height and width of a picture, which pycocotools asks for; any where there is no mask."""
    sizes = [mask["size"] for side in sides for mask in side.masks]
    height, width = sizes[0] if sizes else (1, 1)
    return {"height": int(height), "width": int(width)}


def _annotate(pictures: Sequence[Masks]) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for image, picture in enumerate(pictures):
        for k, (mask, label) in enumerate(zip(picture.masks, picture.labels, strict=True)):
            annotation = {"id": len(annotations) + 1, "image_id": image, "category_id": int(label), "iscrowd": 0,
                          "segmentation": mask, "area": float(coco_mask.area(mask))}  # fmt: skip
            if picture.scores is not None:
                annotation["score"] = float(picture.scores[k])
            annotations.append(annotation)
    return annotations


def _mean(precision: NDArray[np.floating]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else math.nan
