"""Average precision of face boxes by size, and the error of the five landmarks."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from convoy.core.pictures.geometry import compute_iou
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from convoy_training.metrics.bootstrap import Interval, bootstrap
from convoy_training.metrics.precision import read_precision, resample_pictures

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Found:
    """The faces found in one picture: boxes_xyxy [K,4], scores [K], landmarks [K,5,2], in pixels."""

    boxes_xyxy: Floats
    scores: Floats
    landmarks: Floats


@dataclass(frozen=True)
class Truth:
    """The faces in one picture: boxes_xyxy [M,4], landmarks [M,5,2] (NaN unknown), ignored [M]."""

    boxes_xyxy: Floats
    landmarks: Floats
    ignored: NDArray[np.bool_]


def measure_average_precision(
    truths: Sequence[Truth], found: Sequence[Found], smallest_px: float
) -> tuple[float, int, Interval]:
    """AP at IoU 0.5 of faces whose shorter side has at least `smallest_px`, the number of these faces, 95 % interval.

    Smaller and ignored faces count neither as found nor as missed. pycocotools computes it (101-point interpolation).
    """
    sides = [(t.boxes_xyxy[:, 2:] - t.boxes_xyxy[:, :2]).min(axis=1, initial=np.inf) for t in truths]
    skipped = [t.ignored | (side < smallest_px) for t, side in zip(truths, sides, strict=True)]
    count = int(sum((~s).sum() for s in skipped))
    if not any(len(f.scores) for f in found):
        return 0.0, count, (0.0, 0.0)  # pycocotools cannot read an empty list of results
    with contextlib.redirect_stdout(io.StringIO()):
        truth, result = _to_coco(truths, skipped), _to_results(found)
        evaluation = COCOeval(truth, truth.loadRes(result), "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.params.maxDets = [1000]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        # A small detection that hits nothing does not count either, as in COCO's own area ranges.
        _ignore_small_misses(evaluation, found, smallest_px)
        evaluation.accumulate()
    value = _average(read_precision(evaluation))["ap"]
    return value, count, resample_pictures(evaluation, _average)["ap"]


def _average(precision: Floats) -> dict[str, float]:
    return {"ap": float(precision[precision > -1].mean()) if (precision > -1).any() else 0.0}


def measure_landmark_error(truths: Sequence[Truth], found: Sequence[Found]) -> tuple[float, int, Interval | None]:
    """The median landmark error of faces found at IoU 0.5, the number of these faces, the 95 % interval by pictures.

    A face's error is the mean distance of its landmarks over its eye distance. The median is used because the eye
    distance of a face in profile is close to zero.
    """
    errors = [list(_compare_landmarks(truth, faces)) for truth, faces in zip(truths, found, strict=True)]
    count = sum(map(len, errors))

    def measure(rows: Iterable[int]) -> dict[str, float]:
        drawn = [error for row in rows for error in errors[row]]
        return {"median": float(np.median(drawn)) if drawn else float("nan")}

    value = measure(range(len(errors)))["median"]
    return value, count, bootstrap(measure, len(errors))["median"] if count else None


def _compare_landmarks(truth: Truth, faces: Found) -> Iterator[float]:
    for box, points in zip(truth.boxes_xyxy, truth.landmarks, strict=True):
        eyes = np.linalg.norm(points[0] - points[1])
        overlaps = compute_iou(box, faces.boxes_xyxy)
        if np.isfinite(eyes) and eyes > 0 and overlaps.max(initial=0) >= 0.5:
            yield float(np.linalg.norm(faces.landmarks[overlaps.argmax()] - points, axis=1).mean() / eyes)


def _to_coco(truths: Sequence[Truth], skipped: Sequence[NDArray[np.bool_]]) -> COCO:
    annotations: list[dict[str, Any]] = []
    for image, (truth, skip) in enumerate(zip(truths, skipped, strict=True), 1):
        for box, ignored in zip(truth.boxes_xyxy, skip, strict=True):
            width, height = (float(v) for v in box[2:] - box[:2])
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": 1, "area": width * height,
                "bbox": [float(box[0]), float(box[1]), width, height], "ignore": int(ignored), "iscrowd": int(ignored),
            })  # fmt: skip
    coco = COCO()
    images = [{"id": image} for image in range(1, len(truths) + 1)]
    coco.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "face"}], "info": {}}
    coco.createIndex()
    return coco


def _to_results(found: Sequence[Found]) -> NDArray[np.float64]:
    """pycocotools' own array: image, x, y, width, height, score, category."""
    rows = [
        np.column_stack([
            np.full(len(f.scores), image), f.boxes_xyxy[:, :2], f.boxes_xyxy[:, 2:] - f.boxes_xyxy[:, :2],
            f.scores, np.ones(len(f.scores)),
        ])
        for image, f in enumerate(found, 1)
    ]  # fmt: skip
    return np.concatenate(rows).astype(np.float64)


def _ignore_small_misses(evaluation: COCOeval, found: Sequence[Found], smallest_px: float) -> None:
    for entry in evaluation.evalImgs:
        if entry is None:
            continue
        boxes = found[entry["image_id"] - 1].boxes_xyxy
        scores = found[entry["image_id"] - 1].scores
        order = np.argsort(-scores, kind="mergesort")[: len(entry["dtIds"])]
        small = (boxes[order, 2:] - boxes[order, :2]).min(axis=1, initial=np.inf) < smallest_px
        entry["dtIgnore"] = entry["dtIgnore"] | ((entry["dtMatches"] == 0) & small[None])
