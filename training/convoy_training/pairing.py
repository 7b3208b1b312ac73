"""Compares two models on the same pictures, class by class: `convoy-train compare A B`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from convoy.classification import task as classification_service
from numpy.typing import NDArray
from rich.table import Table

from convoy_training.data.mask_files import IGNORE
from convoy_training.detecting.config import load_split
from convoy_training.detecting.measuring import find_objects, find_truth
from convoy_training.errors import RecipeError
from convoy_training.evaluation import Subject, open_subject
from convoy_training.metrics.accuracy import measure_counts
from convoy_training.metrics.overlap import count_pixels, measure_accuracy, measure_iou, measure_mean_iou
from convoy_training.metrics.paired import Difference, Resampled, Rows, compare_paired, mcnemar_p_value
from convoy_training.metrics.precision import evaluate_boxes, resample_curves
from convoy_training.tables import print_table
from convoy_training.tasks import classification, segmentation


@dataclass(frozen=True)
class Pair:
    """How two models differ; told: a sentence with a test, for classifiers."""

    differences: list[Difference]
    told: str = ""


def pair(targets: Sequence[Path], split: str = "validation", *, other_data: bool = False) -> Pair:
    """Compares two runs or published models on one split of the first one's data.

    Raises RecipeError if their tasks, labels or data differ, or if the task has no paired measure.
    """
    first, second = (open_subject(target, other_data=other_data) for target in targets)
    refuse_unlike(first, second)
    resample = TASKS[first.config.task]
    # The second model is asked about the first one's pictures, in its order.
    ones, others = resample(first, first, split), resample(second, first, split)
    return Pair(compare_paired(ones, others), tell_mcnemar(ones, others))


def refuse_unlike(first: Subject, second: Subject) -> None:
    """Raises RecipeError unless both models answer the same question about the same pictures."""
    kinds = first.config.task, second.config.task
    if kinds[0] != kinds[1]:
        raise RecipeError(f"{first.target} does {kinds[0]}, {second.target} {kinds[1]}: they cannot be paired")
    if kinds[0] not in TASKS:
        raise RecipeError(f"models of {kinds[0]} cannot be paired: paired are {', '.join(TASKS)}")
    labels = [each.task.describe(each.config).manifest.get("labels") for each in (first, second)]
    if labels[0] != labels[1]:
        raise RecipeError(f"{first.target} and {second.target} have other labels: they cannot be paired")
    digests = [each.task.digest_data(each.config) for each in (first, second)]  # type: ignore[attr-defined]
    if digests[0] != digests[1]:
        raise RecipeError(f"{first.target} and {second.target} have other data: they cannot be paired")


def _classify(model: Subject, asked: Subject, split: str) -> Resampled:
    data = classification.load_split(asked.config, split)
    answers = answer_first(model, split)
    pairs, size = data.labels * len(data.classes) + answers, len(data.classes)
    shown = np.bincount(data.labels, minlength=size) > 0

    def measure(rows: Rows) -> Mapping[str, float]:
        counts = np.bincount(pairs[rows], minlength=size * size).reshape(size, size)
        return measure_counts(counts, data.classes, shown)

    return Resampled(len(data.labels), measure, answers == data.labels)


def answer_first(model: Subject, split: str) -> NDArray[np.int64]:
    """The first answer of a classifier for each picture [N], as its service gives it."""
    manifest = model.task.describe(model.config).preview()
    rows = classification.predict_split(model.predict, model.config, split)
    told = [classification_service.interpret({"probabilities": row}, manifest)[0].index for row in rows]
    return np.array(told, np.int64)


def _detect(model: Subject, asked: Subject, split: str) -> Resampled:
    data = load_split(asked.config, split)
    truth = [find_truth(example) for example in data.examples]
    found = find_objects(model.predict, model.config, split, 0.001)
    curves = resample_curves(evaluate_boxes(found, truth, data.classes))

    def measure(rows: Rows) -> Mapping[str, float]:
        precision = curves(rows)
        each = {f"ap_50_{name}": _mean(precision[0, :, i]) for i, name in enumerate(data.classes)}
        return {"map_50": _mean(precision[0]), "map_50_95": _mean(precision)} | each

    return Resampled(len(truth), measure)


def _segment(model: Subject, asked: Subject, split: str) -> Resampled:
    data = segmentation.load_split(asked.config, split)
    found = segmentation.find_masks(model.predict, model.config, split)
    frames = np.stack([
        count_pixels(mask, example.read_mask(), len(data.classes), IGNORE)
        for mask, example in zip(found, data.examples, strict=True)
    ])  # fmt: skip

    def measure(rows: Rows) -> Mapping[str, float]:
        counts = frames[rows].sum(0)
        each = dict(zip((f"iou_{name}" for name in data.classes), measure_iou(counts).tolist(), strict=True))
        return {"mean_iou": measure_mean_iou(counts), "pixel_accuracy": measure_accuracy(counts)} | each

    return Resampled(len(frames), measure)


TASKS: Mapping[str, Callable[[Subject, Subject, str], Resampled]] = {
    "classification": _classify,
    "detection": _detect,
    "segmentation": _segment,
}


def tell_mcnemar(first: Resampled, second: Resampled) -> str:
    """A sentence with McNemar's exact test for two classifiers; empty for other tasks."""
    if first.right is None or second.right is None:
        return ""
    lost, won = int(np.sum(first.right & ~second.right)), int(np.sum(~first.right & second.right))
    p = mcnemar_p_value(lost, won)
    return f"{won} pictures are right in the second alone, {lost} in the first alone: McNemar's exact test, p = {p:.3g}"


def print_pairs(differences: Sequence[Difference], names: Sequence[str]) -> None:
    """A line for each number: both values, the difference, its interval, and whether it is more than chance."""
    table = Table("measured")
    for column in (*names, "difference", "95 % interval", ""):
        table.add_column(column, justify="right")
    for one in differences:
        if math.isnan(one.first) and math.isnan(one.second):
            continue  # a class that neither occurs nor is answered
        low, high = one.interval
        values = [f"{one.first:.4f}", f"{one.second:.4f}", f"{one.second - one.first:+.4f}"]
        told = ("better" if low > 0 else "worse") if one.is_clear else "may be chance"
        told = "the same" if one.is_nothing else told
        table.add_row(one.name, *values, f"{low:+.4f} to {high:+.4f}", told)
    print_table(table)


def _mean(precision: NDArray[np.floating]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else math.nan
