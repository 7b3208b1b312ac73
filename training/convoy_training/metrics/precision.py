"""Average precision of detections, as COCO measures it (Lin et al. 2014); pycocotools computes it."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from convoy_training.metrics.bootstrap import Interval, bootstrap


@dataclass(frozen=True)
class Boxes:
    """The boxes xyxy [K,4] of one picture with their labels [K]. Found boxes have scores [K].

    True boxes may be ignored [K]: these count neither as found nor as missed.
    """

    boxes_xyxy: NDArray[np.floating]
    labels: NDArray[np.integer]
    scores: NDArray[np.floating] | None = None
    ignored: NDArray[np.bool_] | None = None


def measure_average_precision(
    found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]
) -> dict[str, float]:
    """`map_50`, `map_50_95` and, per class, `ap_50_<class>`, NaN for a class without an object."""
    return _summarise(measure_precision(found, truth, classes), classes)


def measure_intervals(found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]) -> dict[str, Interval]:
    """The 95 % interval of each number of `measure_average_precision`."""
    return resample_pictures(evaluate_boxes(found, truth, classes), lambda precision: _summarise(precision, classes))


def resample_pictures(
    evaluation: COCOeval, summarise: Callable[[NDArray[np.floating]], Mapping[str, float]], samples: int = 500
) -> dict[str, Interval]:
    """95 % intervals over draws of the pictures; boxes are matched only once, before the draws.

    summarise: turns precision [IoU, recall, class], as `read_precision` gives it, into numbers.
    """
    curves = resample_curves(evaluation)
    return bootstrap(lambda rows: summarise(curves(rows)), len(evaluation.params.imgIds), samples=samples)


def resample_curves(evaluation: COCOeval) -> Callable[[NDArray[np.integer]], NDArray[np.floating]]:
    """A function from rows of pictures, of which some may come twice, to precision [IoU, recall, class] on them."""
    matches = gather_matches(evaluation)

    def measure(rows: NDArray[np.integer]) -> NDArray[np.floating]:
        return np.stack([_measure_curve(one, rows, evaluation.params.recThrs) for one in matches], axis=2)

    return measure


@dataclass(frozen=True)
class Matches:
    """The found boxes of one class in all pictures: scores [K], right and wrong [IoU,K] (neither: does not count).

    places: the rows of each picture's boxes, the surest first; objects [P]: the number of objects in each picture.
    """

    scores: NDArray[np.floating]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    places: Sequence[NDArray[np.integer]]
    objects: NDArray[np.integer]


def gather_matches(evaluation: COCOeval) -> list[Matches]:
    """The found boxes of each class."""
    count, limit = len(evaluation.params.imgIds), evaluation.params.maxDets[-1]
    by_class = [evaluation.evalImgs[start : start + count] for start in range(0, len(evaluation.evalImgs), count)]
    return [_gather(pictures, limit, len(evaluation.params.iouThrs)) for pictures in by_class]


def _gather(pictures: Sequence[Mapping[str, Any] | None], limit: int, overlaps: int) -> Matches:
    """Collects pycocotools' matches of all pictures, at most `limit` boxes from each."""
    empty = np.zeros((overlaps, 0))
    nothing: Mapping[str, Any] = {"dtScores": [], "dtMatches": empty, "dtIgnore": empty, "gtIgnore": []}
    entries = [entry or nothing for entry in pictures]
    scores = [np.asarray(entry["dtScores"][:limit], np.float64) for entry in entries]
    matched, ignored = (
        np.concatenate([entry[key][:, :limit] != 0 for entry in entries], axis=1) for key in ("dtMatches", "dtIgnore")
    )
    ends = np.cumsum([len(part) for part in scores])
    places = [np.arange(end - len(part), end) for part, end in zip(scores, ends, strict=True)]
    objects = np.array([np.count_nonzero(np.asarray(entry["gtIgnore"]) == 0) for entry in entries])
    return Matches(np.concatenate(scores), matched & ~ignored, ~matched & ~ignored, places, objects)


def _measure_curve(matches: Matches, rows: NDArray[np.integer], recalls: NDArray[np.floating]) -> NDArray[np.floating]:
    """Precision [IoU, recall] over the pictures `rows`; -1 if they hold no objects.

    It equals what pycocotools' `accumulate` gives, several times as fast.
    """
    if not (objects := matches.objects[rows].sum()):
        return np.full((len(matches.right), len(recalls)), -1.0)
    found = np.concatenate([matches.places[row] for row in rows])
    order = found[np.argsort(-matches.scores[found], kind="stable")]
    right, wrong = (np.cumsum(counted[:, order], axis=1) for counted in (matches.right, matches.wrong))
    precision = right / (right + wrong + np.spacing(1))
    # The best precision at this recall or a higher one; 0 for a recall that is never reached.
    best = np.pad(np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))
    return np.stack([row[np.searchsorted(hits / objects, recalls)] for row, hits in zip(best, right, strict=True)])


def measure_precision(found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]) -> NDArray[np.floating]:
    """Precision [IoU 0.50 to 0.95, recall 0 to 1 in 101 steps, class]; -1 for a class without objects."""
    return read_precision(evaluate_boxes(found, truth, classes))


def evaluate_boxes(found: Sequence[Boxes], truth: Sequence[Boxes], classes: Sequence[str]) -> COCOeval:
    """Lets pycocotools match and accumulate the 100 surest boxes of each picture."""
    known = {
        "images": [{"id": i} for i in range(len(truth))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
        "annotations": _annotate(truth),
    }
    return run_evaluation("bbox", known, _annotate(found), 100)


def run_evaluation(
    kind: str, known: dict[str, Any], found: list[dict[str, Any]], most: int, sigmas: Sequence[float] = ()
) -> COCOeval:
    """Lets pycocotools match and accumulate, over one range of areas, the `most` surest objects of each picture.

    kind: `bbox`, `segm` or `keypoints`; known: the truth as a COCO document; found: annotations with scores; sigmas: of
    each point, for keypoints.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = known
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found) if found else COCO(), kind)
        evaluation.params.maxDets = [most]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        if len(sigmas):
            evaluation.params.kpt_oks_sigmas = np.asarray(sigmas, np.float64)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def read_precision(evaluation: COCOeval) -> NDArray[np.floating]:
    """Precision [IoU, recall, class] of an evaluation with one range of areas and one limit of detections."""
    precision: NDArray[np.floating] = evaluation.eval["precision"][..., 0, 0]
    return precision


def _summarise(precision: NDArray[np.floating], classes: Sequence[str]) -> dict[str, float]:
    values = {"map_50": _mean(precision[0]), "map_50_95": _mean(precision)}
    return values | {f"ap_50_{name}": _mean(precision[0, :, i], math.nan) for i, name in enumerate(classes)}


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


def _mean(precision: NDArray[np.floating], empty: float = 0.0) -> float:
    """The mean over what has objects; `empty` where nothing has."""
    known = precision[precision > -1]
    return float(known.mean()) if known.size else empty
