"""Average precision of detections, as COCO measures it (Lin et al. 2014), by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from convoy_training.metrics.bootstrap import Interval, bootstrap


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
    return _summarise(measure_precision(found, truth, classes), classes)


def measure_intervals(found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]) -> dict[str, Interval]:
    """The 95 % interval of each number of `measure_average_precision`."""
    return resample_pictures(_evaluate(found, truth, classes), lambda e: _summarise(_read_precision(e), classes))


def resample_pictures(
    evaluation: COCOeval, summarise: Callable[[COCOeval], Mapping[str, float]], samples: int = 500
) -> dict[str, Interval]:
    """95 % intervals over pictures drawn with repetition, once all are matched."""
    by_picture, count = evaluation.evalImgs, len(evaluation.params.imgIds)
    groups = [by_picture[start : start + count] for start in range(0, len(by_picture), count)]  # by class and size

    def measure(rows: NDArray[np.integer]) -> Mapping[str, float]:
        evaluation.evalImgs = [group[row] for group in groups for row in rows]
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.accumulate()
        return summarise(evaluation)

    return bootstrap(measure, count, samples=samples)


def measure_precision(found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]) -> NDArray[np.floating]:
    """Precision [IoU 0.50 to 0.95, recall 0 to 1 in 101 steps, class]; -1 for a class without objects."""
    return _read_precision(_evaluate(found, truth, classes))


def _evaluate(found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]) -> COCOeval:
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
        evaluation.params.maxDets = [100]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _read_precision(evaluation: COCOeval) -> NDArray[np.floating]:
    precision: NDArray[np.floating] = evaluation.eval["precision"][..., 0, 0]  # all areas, 100 detections
    return precision


def _summarise(precision: NDArray[np.floating], classes: Sequence[str]) -> dict[str, float]:
    values = {"map_50": _mean(precision[0]), "map_50_95": _mean(precision)}
    return values | {f"ap_50_{name}": _mean(precision[0, :, i]) for i, name in enumerate(classes)}


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
