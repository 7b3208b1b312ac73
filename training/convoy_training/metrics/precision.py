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
    """The boxes xyxy [K,4] of one picture with their labels [K]; scores [K] unless they are the truth.

    ignored [K], of a truth: neither to be found nor to be missed.
    """

    boxes_xyxy: NDArray[np.floating]
    labels: NDArray[np.integer]
    scores: NDArray[np.floating] | None = None
    ignored: NDArray[np.bool_] | None = None


def measure_average_precision(
    found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]
) -> dict[str, float]:
    """`map_50`, `map_50_95` and, per class, `ap_50_<class>`."""
    precision = measure_precision(found, truth, classes)
    values = {"map_50": _mean(precision[0]), "map_50_95": _mean(precision)}
    return values | {f"ap_50_{name}": _mean(precision[0, :, i]) for i, name in enumerate(classes)}


def measure_precision(found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]) -> NDArray[np.floating]:
    """Precision [IoU 0.50 to 0.95, recall 0 to 1 in 101 steps, class]; -1 for a class without objects."""
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
    precision: NDArray[np.floating] = evaluation.eval["precision"][..., 0, -1]  # all areas, 100 detections
    return precision


def _annotate(pictures: Sequence[Boxes]) -> list[dict[str, object]]:
    annotations: list[dict[str, object]] = []
    for image, picture in enumerate(pictures):
        sizes = picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]
        for k, (box, size, label) in enumerate(zip(picture.boxes_xyxy, sizes, picture.labels, strict=True)):
            crowd = int(picture.ignored is not None and picture.ignored[k])
            annotation = {"id": len(annotations) + 1, "image_id": image, "category_id": int(label), "iscrowd": crowd,
                          "bbox": [float(v) for v in (*box[:2], *size)], "area": float(size.prod())}  # fmt: skip
            if picture.scores is not None:
                annotation["score"] = float(picture.scores[k])
            annotations.append(annotation)
    return annotations


def _mean(precision: NDArray[np.floating]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else 0.0
