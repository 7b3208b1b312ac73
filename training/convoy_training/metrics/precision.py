"""Average precision of detections, as COCO measures it (Lin et al. 2014), by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


@dataclass(frozen=True)
class Boxes:
    """The boxes xyxy [K,4] of one picture with their labels [K]; scores [K] unless they are the truth."""

    boxes_xyxy: NDArray[np.floating]
    labels: NDArray[np.integer]
    scores: NDArray[np.floating] | None = None


def measure_average_precision(
    found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]
) -> dict[str, float]:
    """`map_50`, `map_50_95` and, per class, `ap_50_<class>`."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i} for i in range(len(truth))],
            "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
            "annotations": _annotate(truth),
        }
        coco.createIndex()
        detections = _annotate(found)
        evaluation = COCOeval(coco, coco.loadRes(detections) if detections else COCO(), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, -1]  # [IoU, recall, class], all areas, 100 detections
    values = {"map_50": _mean(precision[0]), "map_50_95": _mean(precision)}
    return values | {f"ap_50_{name}": _mean(precision[0, :, i]) for i, name in enumerate(classes)}


def _annotate(pictures: Sequence[Boxes]) -> list[dict[str, object]]:
    annotations: list[dict[str, object]] = []
    for image, picture in enumerate(pictures):
        sizes = picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]
        for k, (box, size, label) in enumerate(zip(picture.boxes_xyxy, sizes, picture.labels, strict=True)):
            annotation = {"id": len(annotations) + 1, "image_id": image, "category_id": int(label), "iscrowd": 0,
                          "bbox": [float(v) for v in (*box[:2], *size)], "area": float(size.prod())}  # fmt: skip
            if picture.scores is not None:
                annotation["score"] = float(picture.scores[k])
            annotations.append(annotation)
    return annotations


def _mean(precision: NDArray[np.floating]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else 0.0
